/** Whose turn it is among things of several users. Pure. */

export interface Waiting {
  readonly id: string;
  readonly userId: string;
  /** When its turn came last, in ms; less than 0 when it never did. */
  readonly lastMs: number;
}

/**
 * At most `count` of them: one of each user, beginning with the users whose last turn was longest ago, then another one of each, and so on. Of
 * one user, those that have waited longest. How many a user has does not keep another one waiting.
 */
export function chooseFairly(all: readonly Waiting[], count: number): readonly string[] {
  const ofUsers = [...Map.groupBy(all, ({ userId }) => userId).values()]
    .map((own) => own.toSorted((a, b) => a.lastMs - b.lastMs))
    .toSorted((a, b) => (a.at(-1)?.lastMs ?? 0) - (b.at(-1)?.lastMs ?? 0));
  const chosen: string[] = [];
  for (let round = 0; chosen.length < Math.min(count, all.length); round += 1) {
    for (const own of ofUsers) {
      const next = own[round];
      if (next !== undefined && chosen.length < count) chosen.push(next.id);
    }
  }
  return chosen;
}
