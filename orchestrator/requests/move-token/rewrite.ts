/**
 * One file without the token that is in it: the code reads a variable instead, a line of a .env file goes. Only where it is certain that
 * the rest means what it meant before; everything else is for its author to change. Pure but for the parser.
 */
import { isEnvFile } from '#common/source-search/file-kinds.ts';
import { lineCounter } from '#common/source-search/lines.ts';
import { telegramTokensIn } from '#common/source-search/search.ts';
import { javaScriptSpans, type Lexeme, pythonSpans } from './literals.ts';
import { areRead } from './syntax.ts';

export interface Rewritten {
  readonly text: string;
  /** For people, one line each; without the token. */
  readonly changes: readonly string[];
}

/** Why it is left to its author. */
export interface NotRewritten {
  readonly line: number;
  readonly why: string;
}

export type Rewriting = Rewritten | NotRewritten;

export const isRewritten = (rewriting: Rewriting): rewriting is Rewritten => 'text' in rewriting;

/** What people write is smaller. */
export const rewrittenMaxBytes = 128 * 1024;

type Language = 'python' | 'javascript' | 'typescript' | 'env';

const endings: Readonly<Record<string, Language>> = {
  py: 'python',
  pyw: 'python',
  js: 'javascript',
  mjs: 'javascript',
  cjs: 'javascript',
  ts: 'typescript',
  mts: 'typescript',
  cts: 'typescript',
};

const languageOf = (path: string): Language | undefined =>
  isEnvFile(path) ? 'env' : endings[path.slice(path.lastIndexOf('.') + 1).toLowerCase()];

/** What languages take for the end of a line, and editors do not: what follows may look like a part of a comment. */
const oddLineEnd = /\r(?!\n)|\u00e2\u0080[\u00a8\u00a9]/;

interface Work {
  readonly path: string;
  /** The bytes of the file, one character each. */
  readonly text: string;
  readonly token: string;
  readonly variable: string;
  /** Whose it is: users take turns. */
  readonly userId: string;
}

export async function rewrite(work: Work): Promise<Rewriting> {
  const { path, text, token } = work;
  const language = languageOf(path);
  const line = lineCounter(text, 1)(placesIn(text, token)[0]?.start ?? 0);
  if (language === undefined) return { line, why: 'it is neither Python, JavaScript nor a .env file' };
  if (text.length > rewrittenMaxBytes) return { line, why: 'the file is too large' };
  if (oddLineEnd.test(text)) return { line, why: 'some of its lines end with a lone CR, U+2028 or U+2029' };
  return language === 'env' ? rewriteEnv(work) : rewriteCode(work, language);
}

const placesIn = (text: string, token: string) => [...telegramTokensIn(text)].filter((place) => place.token === token);

const envLine = /^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=(.*)$/;
// Without the spaces around it, for linear time.
const envValue = /^(["']?)([^"'\s#]*)\1(?:\s+#.*)?$/;

/** Undefined for a line that sets no variable to a plain value. */
function variableOf(line: string): { readonly name: string; readonly value: string } | undefined {
  const [, name = '', rest = ''] = envLine.exec(line.replace(/\r$/, '')) ?? [];
  const value = envValue.exec(rest.trim())?.[2];
  return name === '' || value === undefined ? undefined : { name, value };
}

/** The variables of a .env file that have the token. */
export function envVariables(text: string, token: string): readonly string[] {
  const variables = text.split('\n').flatMap((line) => variableOf(line) ?? []);
  return [...new Set(variables.flatMap(({ name, value }) => (value === token ? [name] : [])))];
}

function rewriteEnv({ path, text, token, variable }: Work): Rewriting {
  const changes: string[] = [];
  const kept: string[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    const variableThere = variableOf(line);
    if (variableThere?.value === token) {
      changes.push(`${path}:${index + 1}: the line of ${variableThere.name} was removed`);
      continue;
    }
    if (!line.includes(token)) kept.push(line);
    else if (/^\s*#/.test(line)) kept.push(line.replaceAll(token, variable));
    else return { line: index + 1, why: 'it is only a part of the value' };
  }
  return { text: kept.join('\n'), changes };
}

async function rewriteCode(
  { path, text, token, variable, userId }: Work,
  language: Exclude<Language, 'env'>,
): Promise<Rewriting> {
  const isPython = language === 'python';
  const spans = isPython ? pythonSpans(text) : javaScriptSpans(text);
  const reading = isPython
    ? `os.environ["${variable}"]`
    : `process.env.${variable}${language === 'typescript' ? '!' : ''}`;
  const lineOf = lineCounter(text, 1);
  const changes: string[] = [];
  let made = '';
  let from = 0;
  let at = 0;
  for (const place of placesIn(text, token)) {
    while ((spans[at]?.end ?? text.length) <= place.start) at += 1;
    const span = spans[at];
    const line = lineOf(place.start);
    if (span === undefined || span.start > place.start) return { line, why: 'it is not in a string' };
    if (span.kind === 'comment') {
      made += text.slice(from, place.start) + variable;
      from = place.end;
      continue;
    }
    const why = whyNot(text, spans, at, token, isPython);
    if (why !== undefined) return { line, why };
    made += text.slice(from, span.start) + apart(text, span, reading);
    from = span.end;
    changes.push(`${path}:${line}: the token is now ${reading}`);
  }
  made += text.slice(from);
  if (isPython && changes.length > 0) {
    const imported = withOs(made);
    if ('why' in imported) return imported;
    if (imported.line > 0) changes.push(`${path}:${imported.line}: import os was added`);
    made = imported.text;
  }
  if (!isPython && !(await areRead([text, made].map(fromBytes), userId))) {
    return { line: 1, why: 'the file cannot be read as JavaScript' };
  }
  return { text: made, changes };
}

/** Quotes keep a text apart from the words around it, as in `return"x"`; a name needs spaces. */
function apart(text: string, { start, end }: Lexeme, reading: string): string {
  const isWord = (character: string | undefined) => character !== undefined && /[\w$\u0080-\u00ff]/.test(character);
  return `${isWord(text[start - 1]) ? ' ' : ''}${reading}${isWord(text[end]) ? ' ' : ''}`;
}

/** Why the literal cannot be replaced by an expression; undefined when it can. */
function whyNot(
  text: string,
  spans: readonly Lexeme[],
  at: number,
  token: string,
  isPython: boolean,
): string | undefined {
  const span = spans[at];
  if (span?.kind !== 'plain' || span.content !== token) return 'it is only a part of a text';
  const gap = isPython ? /^(?:[\s\\]|#[^\n]*\n)*$/ : /^\s*$/;
  const touches = (one: Lexeme | undefined, other: Lexeme | undefined) =>
    one !== undefined && other !== undefined && gap.test(text.slice(one.end, other.start));
  if (touches(stringBeside(spans, at, -1), span) || touches(span, stringBeside(spans, at, 1)))
    return 'another text stands beside it';
  const before = text.slice(Math.max(0, span.start - 40), span.start);
  const after = text.slice(span.end, span.end + 40).trimStart();
  if (isPython)
    return /\b(?:(?:import|from)\s+|case\b[^\n]*)$/.test(before) ? 'no variable may stand there' : undefined;
  const isKey = /[{,]\s*$/.test(before) && /^[:(]/.test(after);
  return isKey || /\b(?:import|from)[ ]{0,8}\(?$/.test(before.trimEnd()) ? 'no variable may stand there' : undefined;
}

/** The string before or after it, with nothing but comments in between. */
function stringBeside(spans: readonly Lexeme[], at: number, step: 1 | -1): Lexeme | undefined {
  let next = at + step;
  while (spans[next]?.kind === 'comment') next += step;
  return spans[next];
}

const fromBytes = (text: string): string => Buffer.from(text, 'latin1').toString('utf8');

/** With `import os` where modules begin, unless it is there; `line`: where it was added, else 0. */
function withOs(text: string): { readonly text: string; readonly line: number } | NotRewritten {
  const spans = pythonSpans(text);
  const code = withoutSpans(text, spans);
  const use = text.indexOf('os.environ[');
  if (!isModuleOs(code, use)) return { line: 1, why: 'the name "os" means something else in it' };
  const there = [
    ...code.matchAll(/^import[ \t]+(?:[\w.]+(?:[ \t]+as[ \t]+\w+)?[ \t]*,[ \t]*)*os[ \t]*(?:[,;\r\n]|$)/gm),
  ];
  if (there.some(({ index }) => index < use)) return { text, line: 0 };
  let at = 0;
  let next = 0;
  // What may stand before it: comments, the text about the module, imports from the future.
  for (let end = 0; at < text.length; at = end) {
    while ((spans[next]?.end ?? text.length) <= at) next += 1;
    const span = spans[next];
    const isAbout = span?.start === at && span.kind !== 'comment';
    const lineEnd = text.indexOf('\n', isAbout ? span.end : at);
    end = lineEnd < 0 ? text.length : lineEnd + 1;
    const line = text.slice(isAbout ? span.end : at, end).trimEnd();
    const mayStand = isAbout
      ? /^(?:\s*#.*)?$/
      : /^(?:\u00ef\u00bb\u00bf)?\s*(?:#.*|from[ \t]+__future__[ \t]+import[^(\\;]*)?$/;
    if (!mayStand.test(line)) break;
  }
  if (/^from[ \t]+__future__\b/m.test(code.slice(at))) {
    return { line: 1, why: 'there is no plain place for "import os" in it' };
  }
  const newLine = text.includes('\r\n') ? '\r\n' : '\n';
  const head = text.slice(0, at);
  const gap = head === '' || head.endsWith('\n') ? '' : newLine;
  return {
    text: `${head}${gap}import os${newLine}${text.slice(at)}`,
    line: head.split('\n').length + (gap === '' ? 0 : 1),
  };
}

/** The text with spaces for all strings and comments, so that places stay the same. */
function withoutSpans(text: string, spans: readonly Lexeme[]): string {
  const parts: string[] = [];
  let from = 0;
  for (const { start, end } of spans) {
    parts.push(text.slice(from, start), text.slice(start, end).replaceAll(/[^\n]/g, ' '));
    from = end;
  }
  return parts.join('') + text.slice(from);
}

/**
 * Whether "os" is the module wherever it is in the code: imported, or something of it used. A parameter, a loop's variable or a module of
 * another package by that name would hide it; and in a function an import further down hides it before.
 */
function isModuleOs(code: string, use: number): boolean {
  for (const { index } of code.matchAll(/(?<![\w.])os\b/g)) {
    const after = code.slice(index + 2, index + 42);
    if (/^[ \t]*\.|^[ \t]+import\b/.test(after)) continue;
    const before = code.slice(Math.max(0, index - importMaxLength), index);
    const line = before.slice(before.lastIndexOf('\n') + 1);
    const [, indent] = /^([ \t]*)import[ \t][\w., \t]*$/.exec(line) ?? [];
    if (indent === undefined || /\bas[ \t]+$/.test(line)) return false;
    if (indent !== '' && index > use) return false;
  }
  return true;
}
const importMaxLength = 200;
