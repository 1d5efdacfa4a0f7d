/** "Did you mean": the known word nearest to a mistyped one. */

/** Levenshtein distance: how many letters must be added, removed or changed. */
function distance(left: string, right: string): number {
  let previous = Array.from({ length: right.length + 1 }, (_, index) => index);
  for (let row = 1; row <= left.length; row++) {
    const current = [row];
    for (let column = 1; column <= right.length; column++) {
      const change = (previous[column - 1] ?? 0) + (left[row - 1] === right[column - 1] ? 0 : 1);
      current.push(Math.min(change, (previous[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1));
    }
    previous = current;
  }
  return previous[right.length] ?? 0;
}

/** The nearest of `known`, if it is near enough to be what was meant: at most a third of its letters differ, two at most. */
export function closest(word: string, known: readonly string[]): string | undefined {
  // A word much longer than every known one cannot be near; comparing it would only cost time.
  if (word.length > 40) return undefined;
  let best: { name: string; distance: number } | undefined;
  for (const name of known) {
    const candidate = { name, distance: distance(word, name) };
    const near = candidate.distance <= Math.min(2, Math.ceil(name.length / 3));
    if (near && (best === undefined || candidate.distance < best.distance)) best = candidate;
  }
  return best?.name;
}
