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
const bare = String.raw`(?<bare>(?!["'])[^\n]*?)`;
// A "#" in a bare value begins a comment only after a space: COLOUR=#fff has none.
const tail = String.raw`[ \t]*(?:(?<=[ \t"'])#[^\n]*)?(?:\n|$)`;
// Both sticky: they are tried where the last match ended.
const assignment = new RegExp(String.raw`[ \t]*${key}=[ \t]*(?:${double}|${single}|${bare})${tail}`, 'y');
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
        problem('INVALID_ENV_VARS', `Line ${line} of ${name} is not of the form NAME=VALUE.`, {
          hint: 'Names are letters, digits and "_"; a value with quotes in it is put into the other kind of quotes.',
        }),
      );
    }
    const resolved = found['double']?.replace(/\\([nrt"\\$])/g, (_, letter: string) => escapes[letter] ?? letter);
    pairs.push([found['name'], resolved ?? found['single'] ?? found['bare'] ?? '']);
    at = assignment.lastIndex;
  }
  return ok(pairs);
}
