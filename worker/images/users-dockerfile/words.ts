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
export function isJsonForm(text: string): boolean {
  if (!text.startsWith('[')) return false;
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) && value.every((item) => typeof item === 'string');
  } catch {
    // Docker takes it as plain words then.
    return false;
  }
}
