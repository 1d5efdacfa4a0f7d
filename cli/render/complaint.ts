/** A failure as people read it, and as JSON. Pure. */
import type { Json, JsonObject } from '#common/json.ts';
import { isProblemCode } from '#common/problem-codes.ts';
import type { Complaint } from '../failures/errors.ts';
import { escapeControls, escapeLines, plainOutput } from './escape.ts';
import { aboutBot, exampleFor } from './examples.ts';
import { hintFor } from './hints.ts';
import type { Style } from './style.ts';

/** `Error CODE: message`, then hint and example; with `verbose` the details too. Line ends included. */
export function renderComplaint(complaint: Complaint, style: Style, verbose: boolean): string {
  const message = escapeControls(complaint.message);
  const hint = escapeControls(aboutBot(hintFor(complaint.code, complaint.hint), complaint.botId));
  // Codes that docs/ERRORS.md explains help; those of this program alone would only be noise.
  const named = !complaint.short || isProblemCode(complaint.code);
  const head = style.red(named ? `Error ${escapeControls(complaint.code)}:` : 'Error:');
  if (complaint.short) return `${head} ${message} ${hint}`.trimEnd().concat('\n');
  const lines = [`${head} ${message}`];
  const output = outputTail(complaint.details);
  if (output !== undefined) lines.push(...output.map((line) => style.dim(`  | ${line}`)));
  if (hint !== '') lines.push(`  Hint: ${hint}`);
  const example = exampleText(exampleFor(complaint.code, complaint.example, complaint.botId, complaint.command));
  if (example !== undefined) lines.push(`  Example: ${example}`);
  const details = verbose ? Object.entries(complaint.details).filter(([name]) => !outputNames.includes(name)) : [];
  for (const [name, value] of details) lines.push(`  ${escapeControls(name)}: ${escapeControls(valueText(value))}`);
  return `${lines.join('\n')}\n`;
}

/** The same five fields as the body of a REST error; hint and example are about command lines here too. */
export function complaintJson({ code, message, details, hint, example, botId, command }: Complaint): JsonObject {
  const own = { hint: aboutBot(hintFor(code, hint), botId), example: exampleFor(code, example, botId, command) };
  return { error: { code, message, details, ...own } };
}

/** Details that hold the end of an output, most likely of a build; always worth showing. */
const outputNames: readonly string[] = ['output_tail', 'output', 'tail', 'last_lines'];

function outputTail(details: JsonObject): readonly string[] | undefined {
  for (const name of outputNames) {
    const lines = linesOf(details[name]);
    if (lines !== undefined) return lines.map(plainOutput);
  }
  return undefined;
}

/** The details without the output lines that were shown before; an output with nothing left is dropped. */
export function withoutShown(details: JsonObject, shown: readonly string[]): JsonObject {
  const before = new Set(shown.map(plainOutput));
  const kept = Object.entries(details).map(([name, value]): [string, Json] | undefined => {
    const lines = outputNames.includes(name) ? linesOf(value) : undefined;
    if (lines === undefined) return [name, value];
    const fresh = lines.filter((line) => !before.has(plainOutput(line)));
    if (fresh.length === lines.length) return [name, value];
    return fresh.some((line) => line.trim() !== '') ? [name, fresh] : undefined;
  });
  return Object.fromEntries(kept.filter((entry) => entry !== undefined));
}

/** Lines from a text, from a list of texts or from a list of objects with `text`; undefined for anything else. */
export function linesOf(value: Json | undefined): readonly string[] | undefined {
  if (typeof value === 'string') return value === '' ? undefined : value.replace(/\n$/, '').split(/\r\n|\n/);
  if (!isList(value) || value.length === 0) return undefined;
  return value.map((item) =>
    typeof item === 'object' && item !== null && !isList(item) ? valueText(item['text'] ?? null) : valueText(item),
  );
}

// Array.isArray does not narrow readonly arrays.
const isList = (value: Json | undefined): value is readonly Json[] => Array.isArray(value);

const exampleText = (example: Json): string | undefined =>
  example === null || example === '' ? undefined : escapeLines(valueText(example));

const valueText = (value: Json): string => (typeof value === 'string' ? value : JSON.stringify(value));
