/**
 * The bot's environment from a file of NAME=VALUE lines. Pure. Messages never hold a value, nor a text that may be one.
 *
 * 1. Blank lines and lines that begin with "#" are comments; `export ` before a name is dropped.
 * 2. A value without quotes ends at the line's end or at a "#" after a space; spaces around it are dropped.
 * 3. A value in '...' is taken as it is. In "..." the escapes \n, \r, \t, \", \\ and \$ are resolved. Both may span lines.
 * 4. Nothing is expanded: $NAME stays $NAME.
 */
import { fail, ok, problem, type Result } from '#common/problem.ts';
import type { EnvPair } from './env-vars.ts';

const key = String.raw`(?:export[ \t]+)?(?<name>[A-Za-z_]\w*)[ \t]*`;
const double = String.raw`"(?<double>(?:[^"\\]|\\[^])*)"`;
const single = `'(?<single>[^']*)'`;
// To the end of the line at once: looking for a comment after each of its letters would read runs of spaces again and again.
const bare = String.raw`(?<bare>(?!["'])[^\n]*)(?:\n|$)`;
const tail = String.raw`[ \t]*(?:#[^\n]*)?(?:\n|$)`;
// Both sticky: they are tried where the last match ended.
const assignment = new RegExp(String.raw`[ \t]*${key}=(?<space>[ \t]*)(?:(?:${double}|${single})${tail}|${bare})`, 'y');
const comment = /[ \t]*(?:#[^\n]*)?(?:\n|$)/y;

const escapes: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t' };

/** Names and values in their order. `name` as the user knows the file. */
export function parseEnvFile(content: string, name: string): Result<readonly EnvPair[]> {
  const text = content.replace(/^\uFEFF/, '').replace(/\r\n?/g, '\n');
  const pairs: EnvPair[] = [];
  let at = 0;
  while (at < text.length) {
    comment.lastIndex = at;
    if (comment.test(text)) {
      at = comment.lastIndex;
      continue;
    }
    assignment.lastIndex = at;
    const found = assignment.exec(text)?.groups;
    if (found?.['name'] === undefined) {
      const line = text.slice(0, at).split('\n').length;
      return fail(
        problem('INVALID_ENV_VARS', `Line ${line} of ${name} is not NAME=VALUE.`, {
          hint: 'Names consist of letters, digits and "_"; put a value that contains quotes into the other kind of quotes.',
        }),
      );
    }
    const resolved = found['double']?.replace(/\\([nrt"\\$])/g, (_, letter: string) => escapes[letter] ?? letter);
    pairs.push([found['name'], resolved ?? found['single'] ?? bareValue(found['bare'] ?? '', found['space'] !== '')]);
    at = assignment.lastIndex;
  }
  return ok(pairs);
}

/** Without its comment and the spaces at its end. A "#" begins a comment only after a space: COLOUR=#fff has none. */
function bareValue(text: string, isAfterSpace: boolean): string {
  for (let at = text.indexOf('#'); at >= 0; at = text.indexOf('#', at + 1)) {
    const isComment = at === 0 ? isAfterSpace : text[at - 1] === ' ' || text[at - 1] === '\t';
    if (isComment) return trimSpaces(text.slice(0, at));
  }
  return trimSpaces(text);
}

function trimSpaces(text: string): string {
  let end = text.length;
  while (text[end - 1] === ' ' || text[end - 1] === '\t') end--;
  return text.slice(0, end);
}
