/**
 * Words that take something from a bot: `-e NAME-`, `--on KEY-`, as kubectl has them, and `default` for a limit. Pure.
 */

/** The words that give something, and the names of those that take it away. */
export function splitRemovals(words: readonly string[]): {
  readonly given: readonly string[];
  readonly removed: readonly string[];
} {
  const isRemoval = (word: string) => !word.includes('=') && word.endsWith('-') && word.length > 1;
  return {
    given: words.filter((word) => !isRemoval(word)),
    removed: words.filter(isRemoval).map((word) => word.slice(0, -1)),
  };
}

/** Undefined for a limit that goes back to the worker's default. */
export const isDefault = (limit: string | undefined): boolean => limit?.trim().toLowerCase() === 'default';
