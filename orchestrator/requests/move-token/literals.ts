/**
 * String literals and comments of Python and JavaScript, as far as is needed to say of a place whether it is the whole of a plain
 * literal. Whatever is more than that (a template, an f-string, bytes, texts beside one another) is one span that is not plain. Pure; each
 * character is looked at once.
 */

export interface Lexeme {
  readonly kind: 'comment' | 'plain' | 'other';
  readonly start: number;
  readonly end: number;
  /** What is between the quotes of a plain literal. */
  readonly content: string;
}

type Found = Pick<Lexeme, 'kind' | 'end' | 'content'>;

/** The spans in order. */
export function pythonSpans(text: string): readonly Lexeme[] {
  const spans: Lexeme[] = [];
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at];
    if (character === '#') {
      const end = lineEnd(text, at);
      spans.push({ kind: 'comment', start: at, end, content: '' });
      at = end - 1;
    } else if (character === '"' || character === "'") {
      const prefix = /(?<![A-Za-z0-9_])[A-Za-z]{0,3}$/.exec(text.slice(Math.max(0, at - 4), at))?.[0] ?? '';
      const found = pythonString(text, at, prefix.toLowerCase());
      spans.push({ ...found, start: at - prefix.length });
      at = found.end - 1;
    }
  }
  return spans;
}

function pythonString(text: string, start: number, prefix: string): Found {
  const quote = text[start] ?? '';
  const mark = text.startsWith(quote.repeat(3), start) ? quote.repeat(3) : quote;
  const isFormat = /[ft]/.test(prefix);
  let depth = 0;
  for (let at = start + mark.length; at < text.length; at += 1) {
    const character = text[at];
    if (character === '\\') at += 1;
    else if (isFormat && depth > 0 && (character === '"' || character === "'")) {
      at = pythonString(text, at, '').end - 1;
    } else if (text.startsWith(mark, at)) {
      const isPlain = prefix === '' || prefix === 'r' || prefix === 'u';
      const content = text.slice(start + mark.length, at);
      return { kind: isPlain ? 'plain' : 'other', end: at + mark.length, content };
    } else if (isFormat && character === '{') {
      if (depth === 0 && text[at + 1] === '{') at += 1;
      else depth += 1;
    } else if (isFormat && character === '}' && depth > 0) depth -= 1;
    else if (character === '\n' && mark.length === 1) return { kind: 'other', end: at, content: '' };
  }
  return { kind: 'other', end: text.length, content: '' };
}

// After these a "/" begins a regular expression; after anything else it divides.
const beforePattern =
  /(?:^|[(,=:[!&|?{};+\-*%~^<>\n]|\b(?:return|typeof|case|in|of|delete|void|throw|new|do|else))[ \t]*$/;
const lookBack = 16;

/** The spans in order. */
export function javaScriptSpans(text: string): readonly Lexeme[] {
  const spans: Lexeme[] = [];
  for (let at = 0; at < text.length; at += 1) {
    const found = javaScriptSpan(text, at);
    if (found === undefined) continue;
    spans.push({ ...found, start: at });
    at = found.end - 1;
  }
  return spans;
}

function javaScriptSpan(text: string, at: number): Found | undefined {
  switch (text[at]) {
    case '"':
    case "'":
      return quoted(text, at);
    case '`':
      return { kind: 'other', end: templateEnd(text, at), content: '' };
    case '/':
      if (text[at + 1] === '/') return { kind: 'comment', end: lineEnd(text, at), content: '' };
      if (text[at + 1] === '*') {
        const end = text.indexOf('*/', at + 2);
        return { kind: 'comment', end: end < 0 ? text.length : end + 2, content: '' };
      }
      if (!beforePattern.test(text.slice(Math.max(0, at - lookBack), at))) return undefined;
      return { kind: 'other', end: patternEnd(text, at), content: '' };
    default:
      return undefined;
  }
}

function quoted(text: string, start: number): Found {
  for (let at = start + 1; at < text.length; at += 1) {
    if (text[at] === '\\') at += 1;
    else if (text[at] === text[start]) return { kind: 'plain', end: at + 1, content: text.slice(start + 1, at) };
    else if (text[at] === '\n') return { kind: 'other', end: at, content: '' };
  }
  return { kind: 'other', end: text.length, content: '' };
}

/** Behind the closing backtick; what is in `${}` is passed over with its own texts. */
function templateEnd(text: string, start: number): number {
  // The braces that are open within each template that is open.
  const open: number[] = [0];
  for (let at = start + 1; at < text.length; at += 1) {
    const depth = open.at(-1) ?? 0;
    const character = text[at];
    if (depth === 0) {
      if (character === '\\') at += 1;
      else if (character === '`') {
        open.pop();
        if (open.length === 0) return at + 1;
      } else if (character === '$' && text[at + 1] === '{') {
        open[open.length - 1] = 1;
        at += 1;
      }
    } else if (character === '`') open.push(0);
    else if (character === '"' || character === "'") at = quoted(text, at).end - 1;
    else if (character === '{') open[open.length - 1] = depth + 1;
    else if (character === '}') open[open.length - 1] = depth - 1;
  }
  return text.length;
}

function patternEnd(text: string, start: number): number {
  let isClass = false;
  for (let at = start + 1; at < text.length; at += 1) {
    const character = text[at];
    if (character === '\\') at += 1;
    else if (character === '\n') return at;
    else if (character === '[') isClass = true;
    else if (character === ']') isClass = false;
    else if (character === '/' && !isClass) return at + 1;
  }
  return text.length;
}

function lineEnd(text: string, at: number): number {
  const end = text.indexOf('\n', at);
  return end < 0 ? text.length : end;
}
