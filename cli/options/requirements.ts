/** The packages a bot needs, from `-r "aiogram>=3.0,<4,httpx"`. Pure. */
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

/** Links, options and folders: what pip reads in a file, and no list of a request may hold. */
export const belongsInFile = (item: string): boolean =>
  item.startsWith('-') ||
  item.startsWith('.') ||
  /^[a-z+]{1,20}:\/\/|^[A-Za-z0-9._-]{1,100}(?:\[[^\]]{0,200}\])? ?@ ?[a-z+]{1,20}:/i.test(item);

/** Whether a value of -r that names no existing file was meant as one, so that the message can say so. */
export const looksLikeFile = (value: string): boolean =>
  /\.(txt|in|pip|toml|json)$|^(\.{1,2}|~)?\//i.test(value.trim());

const refused = (message: string) =>
  fail(problem('INVALID_REQUIREMENTS', message, { hint: 'Write, for example, -r "aiogram>=3.0,<4,httpx".' }));
