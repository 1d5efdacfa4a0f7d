/**
 * Finds many strings in a text at once, in time that grows with the text alone, whatever strings and text are: the automaton
 * of A. Aho and M. Corasick, "Efficient string matching: an aid to bibliographic search", 1975. Searching for one after the
 * other costs the product of both, and a user chooses both: the secrets of a bot and what the bot prints. Pure.
 */

/** From `start` up to, not including, `end`. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** The spans of a text that match one of the strings, in order; overlapping occurrences are one span. */
export type StringFinder = (text: string) => readonly Span[];

/** A finder for these strings; empty ones count for nothing. Takes 14 bytes for each of their characters. */
export function createStringFinder(strings: Iterable<string>): StringFinder {
  const sorted = [...new Set(strings)].filter((string) => string !== '').sort(byUnits);
  if (sorted.length === 0) return () => [];
  const { units, firstChild, longest } = createTrie(sorted);
  const child = (node: number, unit: number): number => {
    let low = firstChild[node] ?? 0;
    const end = firstChild[node + 1] ?? 0;
    for (let high = end; low < high; ) {
      const middle = (low + high) >>> 1;
      if ((units[middle] ?? 0) < unit) low = middle + 1;
      else high = middle;
    }
    return low < end && units[low] === unit ? low : root;
  };
  const fallback = fallbacksOf(firstChild, units, longest, child);
  // Nearly every character of a text begins none of the strings.
  const mayBegin = new Uint8Array(256);
  for (let node = firstChild[root] ?? 0; node < (firstChild[root + 1] ?? 0); node += 1) {
    mayBegin[(units[node] ?? 0) & 0xff] = 1;
  }
  return (text) => {
    const spans: Span[] = [];
    let node = root;
    for (let at = 0; at < text.length; at += 1) {
      const unit = text.charCodeAt(at);
      if (node === root && mayBegin[unit & 0xff] === 0) continue;
      let next = child(node, unit);
      while (next === root && node !== root) {
        node = fallback[node] ?? root;
        next = child(node, unit);
      }
      node = next;
      const length = longest[node] ?? 0;
      if (length > 0) addSpan(spans, { start: at + 1 - length, end: at + 1 });
    }
    return spans;
  };
}

/** Spans of two lists, each in order and without overlaps, as one such list. */
export function mergeSpans(some: readonly Span[], others: readonly Span[]): readonly Span[] {
  if (others.length === 0) return some;
  const merged: Span[] = [];
  for (const span of [...some, ...others].sort((a, b) => a.end - b.end)) addSpan(merged, span);
  return merged;
}

/** Adds a span that ends no earlier than those there; what it overlaps becomes one with it. */
function addSpan(spans: Span[], span: Span): void {
  let { start } = span;
  for (let last = spans.at(-1); last !== undefined && last.end > span.start; last = spans.at(-1)) {
    start = Math.min(start, last.start);
    spans.pop();
  }
  spans.push({ start, end: span.end });
}

const root = 0;

const byUnits = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/**
 * Nodes are numbered level by level, so that the children of a node stand together, ordered by their character: those of
 * `node` are `firstChild[node]` up to `firstChild[node + 1]`.
 */
function createTrie(sorted: readonly string[]) {
  const nodesMax = sorted.reduce((sum, { length }) => sum + length, 1);
  const units = new Uint16Array(nodesMax);
  const firstChild = new Int32Array(nodesMax + 1);
  const longest = new Int32Array(nodesMax);
  let nodes = 1;
  // The strings below each node of the level, as ranges of the sorted list; its first nodes are the level's first.
  let level = Int32Array.of(0, sorted.length);
  let node = root;
  for (let depth = 0; level.length > 0; depth += 1) {
    const below: number[] = [];
    for (let range = 0; range < level.length; range += 2, node += 1) {
      let first = level[range] ?? 0;
      const end = level[range + 1] ?? 0;
      firstChild[node] = nodes;
      // Sorted: the string that ends here comes before those that continue.
      if (sorted[first]?.length === depth && depth > 0) {
        longest[node] = depth;
        first += 1;
      }
      while (first < end) {
        const unit = sorted[first]?.charCodeAt(depth) ?? 0;
        let last = first + 1;
        while (last < end && sorted[last]?.charCodeAt(depth) === unit) last += 1;
        units[nodes] = unit;
        nodes += 1;
        below.push(first, last);
        first = last;
      }
    }
    level = Int32Array.from(below);
  }
  firstChild[nodes] = nodes;
  return { units: units.slice(0, nodes), firstChild: firstChild.slice(0, nodes + 1), longest: longest.slice(0, nodes) };
}

/**
 * For each node the longest other one that what leads to it ends with. Level by level, so that a node's own is known before
 * its children's; `longest` takes in what ends at the fallback.
 */
function fallbacksOf(
  firstChild: Int32Array,
  units: Uint16Array,
  longest: Int32Array,
  child: (node: number, unit: number) => number,
): Int32Array {
  const fallback = new Int32Array(units.length);
  for (let parent = root; parent < units.length; parent += 1) {
    for (let node = firstChild[parent] ?? 0; node < (firstChild[parent + 1] ?? 0); node += 1) {
      const unit = units[node] ?? 0;
      let from = parent;
      let found = root;
      while (from !== root && found === root) {
        from = fallback[from] ?? root;
        found = child(from, unit);
      }
      fallback[node] = found;
      if (longest[node] === 0) longest[node] = longest[found] ?? 0;
    }
  }
  return fallback;
}
