/**
 * What of each kind of rows is loaded, and what of it a batch has looked at.
 *
 * 1. A kind that is whole is never asked about: what is not here does not exist.
 * 2. Of the rest, a look-up of what is not loaded loads it at once if that needs no waiting, and throws NotLoaded otherwise.
 * 3. What was looked at is guarded, unless nobody else writes: the row by its key, a group by what its rows have in common. Times are advice: the rows that they
 *    lead to are guarded, not that there are no others.
 */
import { NotLoaded, type Want, wantText } from '../want.ts';

export interface LoadingParts {
  /** Whether all rows of the kind that can be looked up in this way are here. */
  readonly isWhole: (rows: string, by: string) => boolean;
  /** Whether rows of the kind that were written stay here after their commit. */
  readonly isKept: (rows: string) => boolean;
  /** Loads at once; without it look-ups throw. */
  readonly loadNow?: (want: Want) => void;
}

/** One way of looking up one kind of rows, not all of which are loaded. */
export interface LookUp {
  /** Whether what is looked at is noted, for guards: others write too. */
  readonly guards: boolean;
  /** Returns when the rows are loaded; throws NotLoaded otherwise. */
  need(is: string): void;
  /** They are loaded. */
  know(is: string): void;
  /** What is not loaded is taken not to exist; if it does, the commit conflicts. */
  assume(is: string): void;
}

export class Loading {
  readonly #parts: LoadingParts;
  readonly #known = new Set<string>();
  readonly #touched = new Map<string, Want>();

  constructor(parts: LoadingParts) {
    this.#parts = parts;
  }

  /** Undefined when everything is loaded. */
  lookUp(rows: string, by: string, isAdvice: boolean): LookUp | undefined {
    if (this.#parts.isWhole(rows, by)) return undefined;
    const { loadNow } = this.#parts;
    const textOf = (is: string) => wantText({ rows, by, is });
    const guards = loadNow === undefined;
    return {
      guards,
      need: (is) => {
        const text = textOf(is);
        const want = { rows, by, is };
        if (guards && !isAdvice) this.#touched.set(text, want);
        if (this.#known.has(text)) return;
        if (loadNow === undefined) throw new NotLoaded(want);
        loadNow(want);
        this.#known.add(text);
      },
      know: (is) => {
        this.#known.add(textOf(is));
      },
      assume: (is) => {
        const text = textOf(is);
        this.#touched.set(text, { rows, by, is });
        this.#known.add(text);
      },
    };
  }

  isKept(rows: string): boolean {
    return this.#parts.isKept(rows);
  }

  isWhole(rows: string, by: string): boolean {
    return this.#parts.isWhole(rows, by);
  }

  know(want: Want): void {
    this.#known.add(wantText(want));
  }

  isKnown(want: Want): boolean {
    return this.#parts.isWhole(want.rows, want.by) || this.#known.has(wantText(want));
  }

  /** What was looked at since the last forgetting, by the texts of the wants. */
  get touched(): ReadonlyMap<string, Want> {
    return this.#touched;
  }

  forget(): void {
    this.#known.clear();
    this.#touched.clear();
  }
}
