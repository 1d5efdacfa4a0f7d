/** Which logs of a user make room when all of them together take more than they may on this worker. Pure. */

export interface LogUse {
  /** Which log. */
  readonly hash: string;
  readonly bytes: number;
  /** Wall time of its last line, ms. */
  readonly newestMs: number;
  /** Whether its bot prints to it. */
  readonly follows: boolean;
}

/** A log that is to keep no more than so many bytes. */
export interface Shrink {
  readonly hash: string;
  readonly mostBytes: number;
}

/** After making room, a sixteenth is left: it is not made again with the next line. */
const roomShare = 1 / 16;

/**
 * What is to go. First the logs of bots that do not run, the one that has been silent for longest first; then of those that run the largest,
 * so that a bot that floods takes nothing from one that says little.
 */
export function planShrink(logs: readonly LogUse[], limitBytes: number): readonly Shrink[] {
  const total = logs.reduce((sum, { bytes }) => sum + bytes, 0);
  if (total <= limitBytes) return [];
  let excess = total - Math.floor(limitBytes * (1 - roomShare));
  const shrinks: Shrink[] = [];
  const silent = logs.filter(({ follows }) => !follows).sort((a, b) => a.newestMs - b.newestMs);
  for (const { hash, bytes } of silent) {
    if (excess <= 0) return shrinks;
    shrinks.push({ hash, mostBytes: Math.max(0, bytes - excess) });
    excess -= bytes;
  }
  if (excess <= 0) return shrinks;
  const running = logs.filter(({ follows }) => follows).sort((a, b) => b.bytes - a.bytes);
  const mostBytes = level(
    running.map(({ bytes }) => bytes),
    excess,
  );
  return [...shrinks, ...running.filter(({ bytes }) => bytes > mostBytes).map(({ hash }) => ({ hash, mostBytes }))];
}

/** The size to which the largest have to shrink for so much to be gained. `sizes`: the largest first. */
function level(sizes: readonly number[], excess: number): number {
  let gained = 0;
  for (const [n, size] of sizes.entries()) {
    const next = sizes[n + 1] ?? 0;
    const here = (size - next) * (n + 1);
    if (gained + here >= excess) return Math.floor(size - (excess - gained) / (n + 1));
    gained += here;
  }
  return 0;
}
