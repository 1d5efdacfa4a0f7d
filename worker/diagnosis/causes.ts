/** What is wrong, by a line that a bot prints or by the end of a build's output: the first rule of the table that fits. Pure. */
import { type Explanation, type Line, linesBefore } from './rules/rule.ts';
import { buildRules, runRules } from './rules/table.ts';

export { type Line, linesBefore } from './rules/rule.ts';

/** No line that says more is longer; one that is costs no time to look at. */
const longestLine = 2000;

/** Colours, as libraries for logs and the classic builder write them. */
const colours = /\u001b\[[\d;]{0,20}m/g;

/** As much of a line as is looked at, without its colours. */
export function shortened(text: string): string {
  const short = text.length > longestLine ? text.slice(0, longestLine) : text;
  return short.includes('\u001b') ? short.replace(colours, '') : short;
}

/** Nearly every line fails this one look, which costs far less than all the others. */
const worthALook =
  /Error|Conflict|Unauthorized|GetUpdates|[Tt]oken|No module|[Cc]annot|can't|[Pp]ermission denied|[Rr]ead-only|[.]telegram|telegram[.]|\bE[A-Z]{3}|RetryAfter|429|not found|No such file|no such file|format error|interpreter|[Ii]llegal option|invalid option|\\r|memory|CERT|discord|pthread_create|failure in name|zone found|fork: r/;

/** What the line of a log says is wrong, as one line; undefined for nearly every line. */
export function explainLine(line: Line): { readonly id: string; readonly text: string } | undefined {
  const short = { ...line, text: shortened(line.text) };
  if (!worthALook.test(short.text)) return undefined;
  for (const { id, explain } of runRules) {
    const found = explain(short);
    if (found !== undefined) return { id, text: `${found.what}: ${found.cure}` };
  }
  return undefined;
}

/** What was printed before such a line did not end the build: a step has begun, or pip is done with its packages. */
const afterSuccess = /^(?:Step \d{1,4}\/\d{1,4} : |Successfully installed )/;

/**
 * What the end of a build's output says is wrong. A rule that stands before another goes first, wherever its line is: what a
 * program prints last is usually a consequence of the cause.
 */
export function explainBuild(output: readonly string[]): (Explanation & { readonly id: string }) | undefined {
  const all = output.map(shortened);
  const lines = all.slice(all.findLastIndex((text) => afterSuccess.test(text)) + 1);
  for (const { id, explain } of buildRules) {
    for (let at = lines.length - 1; at >= 0; at -= 1) {
      const text = lines[at] ?? '';
      const found = explain({ text, before: lines.slice(Math.max(0, at - linesBefore), at), number: at + 1 });
      if (found !== undefined) return { ...found, id };
    }
  }
  return undefined;
}

/** Whether the line says that talking to Telegram works again (aiogram prints it after a failed poll). */
export const saysRecovered = (text: string): boolean => /\bConnection established \(tryings = \d/.test(shortened(text));
