/**
 * Variables in a word of a Dockerfile, as Docker's builder puts them in: $name, ${name}, ${name:-word}, ${name:+word},
 * ${name:?word}, without the colon too, with quotes and escapes. https://docs.docker.com/reference/dockerfile/#environment-replacement
 * Pure, and bounded: values that double at each step end in a refusal.
 */
export type Variables = Pick<ReadonlyMap<string, string>, 'get'>;

export interface Expanded {
  readonly value: string;
  /** Names that stood for nothing. */
  readonly unset: readonly string[];
}

const expandedMaxLength = 4096;
const depthMax = 20;
const nameStart = /[A-Za-z_]/;
const namePart = /[A-Za-z0-9_]/;

/** Undefined for a word that cannot be read: an open quote or brace, another modifier, or too much of it. */
export function expandWord(word: string, variables: Variables, escapeChar: string): Expanded | undefined {
  const unset: string[] = [];
  let at = 0;
  let isBad = false;

  const bad = (): string => {
    isBad = true;
    at = word.length;
    return '';
  };
  const nameHere = (): string => {
    const begin = at;
    if (!nameStart.test(word.charAt(at))) return '';
    while (at < word.length && namePart.test(word.charAt(at))) at += 1;
    return word.slice(begin, at);
  };
  const dollar = (depth: number): string => {
    at += 1;
    if (word.charAt(at) !== '{') {
      const name = nameHere();
      return name === '' ? '$' : valueFor(name);
    }
    at += 1;
    const name = nameHere();
    if (name === '') return bad();
    if (word.charAt(at) === '}') {
      at += 1;
      return valueFor(name);
    }
    const orEmpty = word.charAt(at) === ':';
    if (orEmpty) at += 1;
    const modifier = word.charAt(at);
    if (!'-+?'.includes(modifier) || modifier === '') return bad();
    at += 1;
    const given = variables.get(name);
    const isSet = given !== undefined && (given !== '' || !orEmpty);
    const unsetBefore = unset.length;
    const other = upTo('}', depth + 1);
    if (word.charAt(at) !== '}') return bad();
    at += 1;
    const usesOther = modifier === '+' ? isSet : !isSet;
    if (!usesOther) unset.length = unsetBefore;
    if (modifier === '?') return isSet ? given : bad();
    if (modifier === '+') return isSet ? other : '';
    return isSet ? given : other;
  };
  const valueFor = (name: string): string => {
    const value = variables.get(name);
    if (value === undefined || value === '') unset.push(name);
    return value ?? '';
  };
  const doubleQuoted = (depth: number): string => {
    let value = '';
    at += 1;
    while (at < word.length && word.charAt(at) !== '"') {
      const char = word.charAt(at);
      if (char === '$') value += dollar(depth);
      else if (char === escapeChar && ['"', '$', escapeChar].includes(word.charAt(at + 1))) {
        value += word.charAt(at + 1);
        at += 2;
      } else {
        value += char;
        at += 1;
      }
      if (value.length > expandedMaxLength) return bad();
    }
    if (at >= word.length) return bad();
    at += 1;
    return value;
  };
  const upTo = (stop: string, depth: number): string => {
    let value = '';
    if (depth > depthMax) return bad();
    while (at < word.length && word.charAt(at) !== stop) {
      const char = word.charAt(at);
      if (char === '$') value += dollar(depth);
      else if (char === '"') value += doubleQuoted(depth);
      else if (char === "'") {
        const end = word.indexOf("'", at + 1);
        if (end < 0) return bad();
        value += word.slice(at + 1, end);
        at = end + 1;
      } else if (char === escapeChar) {
        value += word.charAt(at + 1);
        at += 2;
      } else {
        value += char;
        at += 1;
      }
      if (value.length > expandedMaxLength) return bad();
    }
    return value;
  };

  const value = upTo('', 0);
  return isBad ? undefined : { value, unset: [...new Set(unset)] };
}
