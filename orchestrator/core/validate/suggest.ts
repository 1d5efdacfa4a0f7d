/** Did-you-mean for words of a closed set. */

/** Edit distance (Levenshtein), enough for short words. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      next.push(Math.min((next[j - 1] ?? 0) + 1, (row[j] ?? 0) + 1, (row[j - 1] ?? 0) + cost));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

/** The word that was probably meant, or undefined. `aliases` maps other words people use to one of the set. */
export function suggest(
  given: string,
  words: readonly string[],
  aliases: Readonly<Record<string, string>> = {},
): string | undefined {
  const word = given.normalize('NFKC').trim().toLowerCase().slice(0, 32);
  if (word === '') return undefined;
  if (words.includes(word)) return word;
  if (Object.hasOwn(aliases, word)) return aliases[word];
  const near = words
    .map((candidate) => ({ candidate, off: distance(word, candidate) }))
    .sort((a, b) => a.off - b.off)[0];
  if (near !== undefined && near.off <= 2) return near.candidate;
  return word.length >= 2 ? words.find((candidate) => candidate.startsWith(word.slice(0, 2))) : undefined;
}
