/** Distinguishes lines that the engine had rotated away from lines that we lost. Pure. */

/** Lines of a flood that never came: `first` to `last`. */
export interface Hole {
  readonly first: number;
  readonly last: number;
  /** When the line after it was shown; at the end of the flood, when we stopped waiting. */
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
  /** Lines that were, or may have been, in no file any more when the line after them was shown. */
  readonly rotated: number;
  /** Lines that the engine still had: they are our loss, whatever was said. */
  readonly ours: number;
  /** Holes without a mark. */
  readonly silent: number;
}

/**
 * Judges by the first look at the files after each hole was shown, so that `ours` has no line which could have been rotated away before
 * it was read. Holes after the last look count as ours.
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
