/** Tells lines that the engine had rotated away from lines that we have lost. Pure. */

/** Lines of a flood that did not come: from `first` to `last`. */
export interface Hole {
  readonly first: number;
  readonly last: number;
  /** When the line behind it was shown; for those missing at the end, when they were given up. */
  readonly atMs: number;
  /** Whether the follower said there that lines are missing. */
  readonly isMarked: boolean;
}

/** The oldest line of the flood that the engine's files had at a time. It never gets smaller. */
export interface Sample {
  readonly atMs: number;
  readonly oldest: number;
}

export interface Losses {
  /** Lines that were in no file any more when the line behind them was shown, or may not have been. */
  readonly rotated: number;
  /** Lines that the engine still had: they are our loss, whatever was said. */
  readonly ours: number;
  /** Holes without a mark. */
  readonly silent: number;
}

/**
 * Judges by the first look at the files after each hole was shown, so that `ours` has no line which could have been rotated away before
 * it was read. Holes at a time without a look after it count as ours.
 */
export function judge(holes: readonly Hole[], samples: readonly Sample[]): Losses {
  let [rotated, ours, silent] = [0, 0, 0];
  for (const { first, last, atMs, isMarked } of holes) {
    const oldest = samples.find((sample) => sample.atMs >= atMs)?.oldest ?? 0;
    const gone = Math.max(0, Math.min(last, oldest - 1) - first + 1);
    rotated += gone;
    ours += last - first + 1 - gone;
    if (!isMarked) silent += 1;
  }
  return { rotated, ours, silent };
}
