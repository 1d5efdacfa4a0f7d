/** The packages a bot needs, from `-r "aiogram>=3.0,<4,httpx"` or from a requirements file. Pure. */
import { fail, ok, problem, type Result } from '#common/problem.ts';

/**
 * Splits a comma list. A comma inside brackets or quotes, or before a version operator, belongs to the requirement:
 * "aiogram>=3.0,<4" is one, "a,b>=1" two, "a[x,y]>=1,!=2" one (PEP 508, npm ranges). Empty items are dropped.
 */
export function splitRequirements(list: string): Result<readonly string[]> {
  const items: string[] = [];
  for (const piece of splitAtTopCommas(list)) {
    const text = piece.trim();
    if (text === '') continue;
    const last = items.at(-1);
    if (!/^[<>=!~]/.test(text)) items.push(text);
    else if (last === undefined) return refused(`"${text}" names no package.`);
    else items[items.length - 1] = `${last},${text}`;
  }
  return ok(items);
}

function splitAtTopCommas(list: string): readonly string[] {
  const pieces: string[] = [];
  let depth = 0;
  let quote: string | undefined;
  let piece = '';
  for (const letter of list) {
    if (quote !== undefined) {
      if (letter === quote) quote = undefined;
    } else if (letter === '"' || letter === "'") quote = letter;
    else if (letter === '[' || letter === '(') depth++;
    else if (letter === ']' || letter === ')') depth = Math.max(0, depth - 1);
    if (letter === ',' && depth === 0 && quote === undefined) {
      pieces.push(piece);
      piece = '';
    } else piece += letter;
  }
  return [...pieces, piece];
}

/**
 * Reads a requirements file: one package per line; blank lines, comments and a byte order mark are dropped, a final
 * backslash joins lines. pip's options (-r other.txt, --index-url ...) are refused: they would be ignored silently.
 */
export function readRequirementsFile(content: string, name: string): Result<readonly string[]> {
  const requirements: string[] = [];
  const lines = content.replace(/^\uFEFF/, '').split(/\r\n|\r|\n/);
  for (let index = 0; index < lines.length; index++) {
    const first = index + 1;
    let line = lines[index] ?? '';
    while (line.endsWith('\\') && index + 1 < lines.length) line = line.slice(0, -1) + (lines[++index] ?? '');
    // As pip does: a "#" starts a comment at the beginning or after white space, so that URLs keep their fragment.
    const text = withoutComment(line).trim();
    if (text.startsWith('-')) {
      return refused(`Line ${first} of ${name} is an option of pip; only packages, one per line, are supported.`);
    }
    if (text !== '') requirements.push(text);
  }
  return ok(requirements);
}

/** By a scan: a regular expression would look for the end of the line from each "#" again where something odd precedes it. */
function withoutComment(line: string): string {
  for (let at = line.indexOf('#'); at >= 0; at = line.indexOf('#', at + 1)) {
    if (at === 0 || /\s/.test(line.charAt(at - 1))) return line.slice(0, at);
  }
  return line;
}

/** Whether a value of -r that names no existing file was meant as one, so that the message can say so. */
export const looksLikeFile = (value: string): boolean =>
  /\.(txt|in|pip|toml|json)$|^(\.{1,2}|~)?\//i.test(value.trim());

const refused = (message: string) =>
  fail(problem('INVALID_REQUIREMENTS', message, { hint: 'Write, for example, -r "aiogram>=3.0,<4,httpx".' }));
