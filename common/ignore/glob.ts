/**
 * The patterns of .dockerignore: what they mean, and whether one matches a path. Pure.
 *
 * Their rules are those of Go's filepath.Match plus "**" (https://docs.docker.com/build/concepts/context/#dockerignore-files):
 * "*" and "?" stop at "/", "[a-z]" and "[^a-z]" are classes, "\" takes the next character as it is, "**" stands for any
 * number of folders, and at the end of a pattern for everything.
 *
 * All ways a pattern may match are followed at once, one step per character, so that no pattern makes matching slow;
 * regular expressions would go through them one after another.
 */

type Token =
  | { readonly kind: 'character'; readonly character: string }
  /** Ranges of code points, both ends included. */
  | { readonly kind: 'class'; readonly negated: boolean; readonly ranges: readonly (readonly [number, number])[] }
  /** `?` */
  | { readonly kind: 'any' }
  /** `*` */
  | { readonly kind: 'star' }
  /** `**` with or without its "/": nothing, or everything up to some "/". */
  | { readonly kind: 'folders' }
  /** `**` at the end. */
  | { readonly kind: 'rest' };

export type Glob = readonly Token[];

/** The pattern in pieces; undefined where its syntax is wrong: an open class, an empty one, a last "\". */
export function parseGlob(pattern: string): Glob | undefined {
  const letters = [...pattern];
  const tokens: Token[] = [];
  for (let at = 0; at < letters.length; ) {
    const letter = letters[at++] ?? '';
    if (letter === '*' && letters[at] === '*') {
      at++;
      if (letters[at] === '/') at++;
      tokens.push({ kind: at >= letters.length ? 'rest' : 'folders' });
    } else if (letter === '*') tokens.push({ kind: 'star' });
    else if (letter === '?') tokens.push({ kind: 'any' });
    else if (letter === '[') {
      const parsed = parseClass(letters, at);
      if (parsed === undefined) return undefined;
      tokens.push(parsed.token);
      at = parsed.end;
    } else {
      const character = letter === '\\' ? letters[at++] : letter;
      if (character === undefined) return undefined;
      tokens.push({ kind: 'character', character });
    }
  }
  return tokens;
}

/** A class from after its "[" on. */
function parseClass(letters: readonly string[], start: number): { token: Token; end: number } | undefined {
  let at = start;
  const negated = letters[at] === '^';
  if (negated) at++;
  const ranges: (readonly [number, number])[] = [];
  const next = (): number | undefined => {
    const letter = letters[at++];
    if (letter === '\\') return letters[at++]?.codePointAt(0);
    return letter === '-' || letter === ']' ? undefined : letter?.codePointAt(0);
  };
  while (letters[at] !== ']' || ranges.length === 0) {
    const low = next();
    if (low === undefined) return undefined;
    if (letters[at] === '-') {
      at++;
      const high = next();
      if (high === undefined) return undefined;
      ranges.push([low, high]);
    } else ranges.push([low, low]);
  }
  return { token: { kind: 'class', negated, ranges }, end: at + 1 };
}

/** What matching has cost so far; see Effort in judge.ts. */
export interface Steps {
  steps: number;
}

/** Whether the pattern matches the whole path. Adds what it took, at most the product of both lengths, to `cost`. */
export function matchesGlob(glob: Glob, path: string, cost?: Steps): boolean {
  // Place n: the first n tokens are done. Place -n-1: within the folders that token n skips.
  let places = new Set<number>();
  enter(glob, 0, places);
  for (const letter of path) {
    const next = new Set<number>();
    if (cost !== undefined) cost.steps += places.size + rangesAt(glob, places);
    for (const place of places) {
      if (place < 0) {
        next.add(place);
        if (letter === '/') enter(glob, -place, next);
      } else step(glob, place, letter, next);
    }
    if (next.size === 0) return false;
    places = next;
  }
  return places.has(glob.length);
}

/** A character is compared with each range of a class. */
function rangesAt(glob: Glob, places: ReadonlySet<number>): number {
  let ranges = 0;
  for (const place of places) {
    const token = glob[place];
    if (token?.kind === 'class') ranges += token.ranges.length;
  }
  return ranges;
}

/** Adds a place, and those that are reached from it without a character. */
function enter(glob: Glob, place: number, places: Set<number>): void {
  for (let at = place; !places.has(at); at++) {
    places.add(at);
    const kind = glob[at]?.kind;
    if (kind !== 'star' && kind !== 'folders' && kind !== 'rest') return;
  }
}

function step(glob: Glob, place: number, letter: string, next: Set<number>): void {
  const token = glob[place];
  switch (token?.kind) {
    case undefined:
      return;
    case 'character':
      if (token.character === letter) enter(glob, place + 1, next);
      return;
    case 'class': {
      const point = letter.codePointAt(0) ?? 0;
      if (token.ranges.some(([low, high]) => point >= low && point <= high) !== token.negated) {
        enter(glob, place + 1, next);
      }
      return;
    }
    case 'any':
      if (letter !== '/') enter(glob, place + 1, next);
      return;
    case 'star':
      if (letter !== '/') enter(glob, place, next);
      return;
    case 'rest':
      enter(glob, place, next);
      return;
    case 'folders':
      next.add(-place - 1);
      if (letter === '/') enter(glob, place + 1, next);
      return;
  }
}
