/** Many bots that flood at once, and a quiet one beside them. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '../../test/kit/eventually.ts';
import { botCode, waitingBot } from './bot.ts';
import type { Follower } from './followers.ts';
import { latency, type Stage } from './phases.ts';
import { untilStored } from './until-stored.ts';
import { printUsage, resetPeaks, usageOf } from './usage.ts';

const headers = { authorization: 'Bearer test-client-token', 'content-type': 'application/json' };

/** `follow` begins to follow the quiet bot. */
export async function neighbours(
  stage: Stage,
  bots: number,
  lines: number,
  dir: string,
  follow: () => Promise<readonly Follower[]>,
): Promise<void> {
  const { platform, printing } = stage;
  const file = join(dir, 'neighbour.py');
  writeFileSync(file, botCode({ ...printing, lines }));
  const code = readFileSync(file, 'utf8');
  const names = Array.from({ length: bots }, (_, n) => `neighbour-${n}`);
  const mark = (name: string) => `${name}-${process.pid}`;
  for (const name of names) {
    const data = {
      action: 'start',
      bot_id: name,
      deployment_mode: 'simple',
      code,
      env_vars: { BENCH_BOT: mark(name) },
      resource_limits: { memory_mb: 32, cpu_cores: 0.02 },
    };
    const body = JSON.stringify({ blueprint: 'bot_runner', data });
    const answer = await fetch(`${platform.url}/jobs`, { method: 'POST', headers, body });
    if (!answer.ok) throw new Error(await answer.text());
  }
  const pids = await eventually(
    'all neighbours wait for a signal',
    () => names.map((name) => waitingBot(mark(name))),
    (found) => found.every((pid) => pid !== undefined),
    { timeoutMs: 1_200_000, everyMs: 2000 },
  );
  const followers = await follow();
  // So many starts leave garbage of their own.
  await sleep(stage.settleMs);
  const before = usageOf(platform);
  resetPeaks(platform);
  const beganMs = performance.now();
  for (const pid of pids) process.kill(pid ?? Number.NaN, 'SIGUSR2');
  await latency(`A line each 50 ms, while ${bots} bots flood ${lines} lines each`, stage, followers);
  for (const name of names) await untilStored(platform, name, 1, { lines })();
  const atEnd = usageOf(platform);
  const tookS = (performance.now() - beganMs) / 1000;
  console.log(`  all ${bots * lines} lines were stored within ${tookS.toFixed(1)} s`);
  await sleep(stage.settleMs);
  printUsage(before, atEnd, usageOf(platform));
}
