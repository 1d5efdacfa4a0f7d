/** Labels of workers, such as zone=eu: the operator gives them to workers, a user asks for them with --on. Pure. */
import { fail, ok, problem, type Result } from './problem.ts';

export type Labels = Readonly<Record<string, string>>;

const keyPattern = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/;
const valuePattern = /^[A-Za-z0-9_.-]{0,63}$/;
/** The most labels a worker may have. */
export const workerLabelsMax = 32;
/** The most labels a bot may ask for. */
export const wantedLabelsMax = 16;

/** Checks labels that come as keys and values; the first mistake is INVALID_LABELS. */
export function checkLabels(entries: readonly (readonly [string, unknown])[], max: number): Result<Labels> {
  if (entries.length > max) return refusal(`There are ${entries.length} labels; ${max} are allowed.`);
  const labels = new Map<string, string>();
  for (const [key, value] of entries) {
    const shown = JSON.stringify(key.slice(0, 64));
    if (!keyPattern.test(key)) return refusal(`The key of the label ${shown} is not valid.`);
    if (typeof value !== 'string' || !valuePattern.test(value)) {
      return refusal(`The value of the label ${shown} is not valid.`);
    }
    if (labels.has(key)) return refusal(`The label ${shown} is given twice.`);
    labels.set(key, value);
  }
  return ok(Object.fromEntries(labels));
}

/** The same for words of the form key=value. */
export function parseLabels(words: readonly string[], max: number): Result<Labels> {
  const entries: (readonly [string, string])[] = [];
  for (const word of words) {
    const split = word.indexOf('=');
    if (split < 0) return refusal(`The label ${JSON.stringify(word.slice(0, 64))} is not of the form key=value.`);
    entries.push([word.slice(0, split), word.slice(split + 1)]);
  }
  return checkLabels(entries, max);
}

const refusal = (message: string) =>
  fail(
    problem('INVALID_LABELS', message, {
      details: { field: 'on' },
      hint: 'Use letters, digits, underscores, dots and hyphens, at most 63 of them, as in zone=eu.',
    }),
  );

/** "gpu=yes, zone=eu", in order of the keys. */
export const labelsText = (labels: Labels): string =>
  Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .sort()
    .join(', ');
