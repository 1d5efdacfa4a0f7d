/** The words of an instruction as Docker's parser takes them apart. Pure. */

/** Splits at spaces that are neither quoted nor escaped; quotes and escape characters stay in the words. */
export function splitWords(text: string, escapeChar: string): readonly string[] {
  const words: string[] = [];
  let word = '';
  let quote = '';
  for (let at = 0; at < text.length; at += 1) {
    const char = text.charAt(at);
    if (quote === '' && isSpace(char)) {
      if (word !== '') words.push(word);
      word = '';
      continue;
    }
    word += char;
    if (char === escapeChar && quote !== "'" && at + 1 < text.length) {
      at += 1;
      word += text.charAt(at);
    } else if (quote === '' && (char === '"' || char === "'")) quote = char;
    else if (char === quote) quote = '';
  }
  if (word !== '') words.push(word);
  return words;
}

export const isSpace = (char: string): boolean => ' \t\n\v\f\r'.includes(char) && char !== '';

/** Whether arguments are a JSON list of texts, which is taken as it stands: no shell, no variables. */
export const isJsonForm = (text: string): boolean => jsonTexts(text) !== undefined;

/** The texts of such a list. */
export function jsonTexts(text: string): readonly string[] | undefined {
  if (!text.startsWith('[')) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) && value.every((item) => typeof item === 'string') ? value : undefined;
  } catch {
    // Docker takes it as plain words then.
    return undefined;
  }
}

/** Whether there is such a list and something behind it: some engines stop reading at its end, and others take all of it as words. */
export function isJsonWithMore(text: string): boolean {
  const list = text.trimStart();
  if (!list.startsWith('[') || isJsonForm(list)) return false;
  let inText = false;
  for (let at = 0; at < list.length; at += 1) {
    const char = list.charAt(at);
    if (inText && char === '\\') at += 1;
    else if (char === '"') inText = !inText;
    else if (char === ']' && !inText) return isJsonForm(list.slice(0, at + 1));
  }
  return false;
}

/** Whether every quote in it is closed. */
export function isBalanced(text: string, escapeChar: string): boolean {
  let quote = '';
  for (let at = 0; at < text.length; at += 1) {
    const char = text.charAt(at);
    if (char === escapeChar && quote !== "'") at += 1;
    else if (quote === '' && (char === '"' || char === "'")) quote = char;
    else if (char === quote) quote = '';
  }
  return quote === '';
}
