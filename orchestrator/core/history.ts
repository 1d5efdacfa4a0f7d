/**
 * The history of a store: a line of openings, each from the end of the one before. A store that was restored from a backup
 * continues in an opening of its own, so that a moment remembered elsewhere can be recognised as part of its past or of
 * another history. Pure.
 */

export interface Opening {
  readonly id: string;
  /** How far the store had got. */
  readonly fromSeq: number;
  /** The opening before it; empty for the first that is known. */
  readonly after: string;
}

export interface Moment {
  readonly opening: string;
  readonly seq: number;
}

export interface History {
  readonly openings: readonly Opening[];
  /** In the last opening. */
  readonly now: number;
}

// Limits the walk back through the openings that a worker reports: it keeps fewer.
const stepsMax = 200;

/**
 * Where a moment's history and this one diverge: undefined when the moment is in this one's past, else how far both are the
 * same. `theirs`: the openings known to the side that remembers the moment.
 */
export function createForkOf(ours: History, theirs: readonly Opening[]): (moment: Moment) => number | undefined {
  const ends = new Map(ours.openings.map(({ id }, index) => [id, ours.openings[index + 1]?.fromSeq ?? ours.now]));
  const known = new Map(theirs.map((opening) => [opening.id, opening]));
  const first = ours.openings[0]?.fromSeq ?? ours.now;
  return (moment) => {
    let { opening, seq } = moment;
    for (let step = 0; step < stepsMax; step++) {
      const end = ends.get(opening);
      if (end !== undefined) return step === 0 && seq <= end ? undefined : Math.min(seq, end);
      const other = known.get(opening);
      if (other === undefined) return 0;
      // What was before its first opening is the same store without a history.
      if (other.after === '') return Math.min(other.fromSeq, first);
      opening = other.after;
      seq = Math.min(seq, other.fromSeq);
    }
    return 0;
  };
}

/** The moment at which the store had got so far; undefined before its first opening. Asked for every bot of a worker. */
export function momentAt(openings: readonly Opening[], seq: number): Moment | undefined {
  let [low, high] = [0, openings.length];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if ((openings[middle]?.fromSeq ?? 0) < seq) low = middle + 1;
    else high = middle;
  }
  const opening = openings[low - 1];
  return opening && { opening: opening.id, seq };
}
