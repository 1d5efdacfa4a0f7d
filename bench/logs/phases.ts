/** What is measured: how late lines come, and what a flood costs. */
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '../../test/kit/eventually.ts';
import type { TestPlatform } from '../../test/kit/platform-for-tests.ts';
import { quantile } from '../quantile.ts';
import type { Printing } from './bot.ts';
import type { EngineFiles } from './engine-files.ts';
import type { Follower } from './followers.ts';
import { judge } from './losses.ts';
import { printUsage, resetPeaks, usageOf } from './usage.ts';

export interface Stage {
  readonly platform: TestPlatform;
  readonly printing: Printing;
  readonly signal: (name: 'SIGUSR1' | 'SIGUSR2') => void;
  /** How long after a flood memory is looked at again. */
  readonly settleMs: number;
  /** Where the engine keeps what the bot printed; undefined without an engine. */
  readonly files: EngineFiles | undefined;
}

export async function latency(title: string, stage: Stage, followers: readonly Follower[]): Promise<void> {
  const { pings } = stage.printing;
  for (const { shown } of followers) shown.pingsMs = [];
  stage.signal('SIGUSR1');
  await eventually(
    'all have the last ping',
    () => followers.map(({ shown }) => shown.pingsMs.length),
    (seen) => seen.every((count) => count >= pings),
    { timeoutMs: 120_000, everyMs: 200 },
  );
  console.log(`${title}: printed -> shown, ${pings} lines`);
  for (const { shown } of followers) {
    const of = (q: number) => quantile(shown.pingsMs, q).toFixed(1);
    console.log(`  ${shown.name.padEnd(24)} p50 ${of(0.5)} ms, p99 ${of(0.99)} ms, most ${of(1)} ms`);
  }
}

// A follower that loses the last line never ends; silence is the sign.
const silenceMs = 15_000;

/** One flood. `until` says when it is over, besides that every follower has all or gets nothing more. */
export async function flood(
  title: string,
  stage: Stage,
  number: number,
  followers: readonly Follower[],
  until: () => Promise<void>,
): Promise<void> {
  const { platform, printing, settleMs, files } = stage;
  files?.watch(number);
  for (const { shown } of followers) shown.expect(number);
  const before = usageOf(platform);
  const usedBefore = followers.map((follower) => follower.cpuMs() ?? 0);
  resetPeaks(platform);
  const beganMs = performance.now();
  stage.signal('SIGUSR2');
  await until();
  await eventually(
    'the flood is over',
    () => followers.map(({ shown }) => [shown.lines, Math.round(performance.now() - shown.lastAtMs)]),
    () => followers.every(({ shown }) => shown.isWhole || performance.now() - shown.lastAtMs > silenceMs),
    { timeoutMs: 600_000, everyMs: 100 },
  );
  files?.stop();
  const atEnd = usageOf(platform);
  console.log(`${title}: ${printing.lines} lines of ${printing.bytes} bytes`);
  const perSecond = followers.map(({ shown }) => (1000 * shown.lines) / (shown.lastAtMs - beganMs));
  for (const [index, { shown, cpuMs }] of followers.entries()) {
    const used = ((cpuMs() ?? Number.NaN) - (usedBefore[index] ?? 0)) / 1000;
    const { name, lines, doubled, misplaced, wrong, lastAtMs } = shown;
    console.log(
      `  ${name.padEnd(24)} ${lines} lines in ${((lastAtMs - beganMs) / 1000).toFixed(2)} s = ${Math.round(perSecond[index] ?? 0)}/s, ` +
        `lost ${printing.lines - lines}, doubled ${doubled}, out of order ${misplaced}, other bytes ${wrong}, CPU ${used.toFixed(1)} s`,
    );
  }
  const [mine] = followers;
  if (mine !== undefined && files !== undefined) {
    const { rotated, ours, silent } = judge(mine.shown.holes(), files.samples);
    console.log(
      `  of what ${mine.shown.name} lost the engine had rotated ${rotated} away before they were read, and had ${ours} still; ` +
        `"lines are missing" was said ${mine.shown.gaps} times, and not said at ${silent} holes`,
    );
  }
  // By lines, not by times: the one that loses the most would finish first.
  const [ours = 0, theirs] = perSecond;
  if (theirs !== undefined)
    console.log(`  ratio of lines per second, ours over docker's: ${(ours / theirs).toFixed(2)}`);
  await sleep(settleMs);
  printUsage(before, atEnd, usageOf(platform));
}
