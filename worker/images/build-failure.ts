/** What a build printed last, and what it means in one sentence by the table of diagnosis/rules. Pure; used by every runtime. */
import { type Problem, problem } from '#common/problem.ts';
import { explainBuild } from '../diagnosis/causes.ts';

/** So many are looked at for a cause: pip and npm say a lot after it. */
const tailLines = 120;
/** So many are shown. */
const shownLines = 30;
const tailLineLength = 400;

/** Keeps the end of a build's output for the failure it may end with. */
export interface OutputTail {
  add(line: string): void;
  lines(): readonly string[];
}

export function createOutputTail(): OutputTail {
  const kept: string[] = [];
  return {
    add(line) {
      kept.push(line.slice(0, tailLineLength));
      if (kept.length > tailLines) kept.shift();
    },
    lines: () => [...kept],
  };
}

/** BUILD_FAILED with the end of the tail in `details.output_tail`; `fallback` is the message for an unrecognised tail. */
export function buildFailure(tail: readonly string[], fallback: string, hint?: string): Problem {
  const details = { output_tail: tail.slice(-shownLines).join('\n') };
  const found = explainBuild(tail);
  if (found !== undefined) {
    const { what, cure } = found;
    return problem('BUILD_FAILED', `${sentence(what)}.`, { details, hint: `${sentence(cure)}.` });
  }
  return problem('BUILD_FAILED', fallback, { details, ...(hint === undefined ? {} : { hint }) });
}

/** Programs keep the letters of their names. */
const sentence = (text: string): string =>
  /^(?:pip|npm|git|package\.json|package-lock\.json|\S*[/.]\S)/.test(text)
    ? text
    : text.charAt(0).toUpperCase() + text.slice(1);
