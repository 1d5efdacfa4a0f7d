/** Finds the regular expressions that are written out in a source file. Pure. */

export interface RegexLiteral {
  readonly pattern: string;
  readonly flags: string;
  readonly line: number;
}

/** A "/" begins a pattern after these, and divides after anything else. */
const before = /(?:^|[([{,;=:!&|?+*%<>~^-]|\b(?:return|typeof|case|of|in|void|yield|await))$/;

export function regexLiteralsOf(source: string): readonly RegexLiteral[] {
  const found: RegexLiteral[] = [];
  // Braces within the ${} of templates: at the closing one the template continues.
  const templates: number[] = [];
  let depth = 0;
  let code = '';
  let at = 0;
  const templateFrom = (start: number): number => {
    for (let end = start; end < source.length; end += 1) {
      if (source[end] === '\\') end += 1;
      else if (source[end] === '`') return end + 1;
      else if (source.startsWith('${', end)) {
        templates.push(depth);
        code = '(';
        return end + 2;
      }
    }
    return source.length;
  };
  while (at < source.length) {
    const character = source[at] ?? '';
    if (source.startsWith('//', at)) at = lineEnd(source, at);
    else if (source.startsWith('/*', at)) at = source.indexOf('*/', at + 2) + 2 || source.length;
    else if (character === '"' || character === "'") {
      at = quotedEnd(source, at);
      code = 'x';
    } else if (character === '`') {
      code = 'x';
      at = templateFrom(at + 1);
    } else if (character === '}' && templates.at(-1) === depth) {
      templates.pop();
      code = 'x';
      at = templateFrom(at + 1);
    } else if (character === '/' && before.test(code)) {
      const end = patternEnd(source, at);
      const flags = /^[a-z]*/.exec(source.slice(end, end + 10))?.[0] ?? '';
      found.push({ pattern: source.slice(at + 1, end - 1), flags, line: source.slice(0, at).split('\n').length });
      at = end + flags.length;
      code = 'x';
    } else {
      if (character === '{') depth += 1;
      if (character === '}') depth -= 1;
      if (/\S/.test(character)) code = (code + character).slice(-10);
      else if (/\w$/.test(code)) code = `${code} `.replace(/^.*\W(?=\w+ $)/, '').trimEnd();
      at += 1;
    }
  }
  return found;
}

const lineEnd = (source: string, at: number): number => {
  const end = source.indexOf('\n', at);
  return end < 0 ? source.length : end;
};

function quotedEnd(source: string, start: number): number {
  for (let at = start + 1; at < source.length; at += 1) {
    if (source[at] === '\\') at += 1;
    else if (source[at] === source[start]) return at + 1;
  }
  return source.length;
}

/** Behind the closing slash; one in a class closes nothing. */
function patternEnd(source: string, start: number): number {
  let inClass = false;
  for (let at = start + 1; at < source.length; at += 1) {
    const character = source[at];
    if (character === '\\') at += 1;
    else if (character === '[') inClass = true;
    else if (character === ']') inClass = false;
    else if (character === '/' && !inClass) return at + 1;
  }
  return source.length;
}
