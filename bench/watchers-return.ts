/**
 * What others notice when 1,000 watchers come back at once after a restart:
 *
 *     npx node bench/watchers-return.ts [WATCHERS] [BOTS]
 *
 * The orchestrator is the real program and is killed; the watchers, of one user with so many bots, are another process
 * and all dial as soon as it is up. Meanwhile a request of somebody else is made every 10 ms: GET /jobs/ID. The same after a restart at
 * which nobody comes back.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { loadavg } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { startOrchestratorProgram } from '../test/kit/orchestrator-program.ts';
import { watchOverHttp2 } from './fanout/watchers.ts';
import { quantile } from './quantile.ts';

const [watchers = 1_000, bots = 100] = process.argv.slice(2).map(Number);
const authorization = 'Bearer test-client-token';

/** In the other process. */
function watch(url: string): void {
  let ready = 0;
  watchOverHttp2(url, '/botrunner.v1.BotService/WatchBots', {
    count: watchers,
    perConnection: 100,
    authorization,
    signal: new AbortController().signal,
    onFrame: (_index, isFirst) => {
      if (isFirst && ++ready === watchers) process.send?.('all watch');
    },
  });
}

async function main(): Promise<void> {
  const orchestrator = await startOrchestratorProgram({ LOG_LEVEL: 'warn', MAX_BOTS_PER_USER: '10000' });
  try {
    let jobId = '';
    for (let n = 0; n < bots; n++) {
      const start = { action: 'start', bot_id: `b-${n}`, deployment_mode: 'simple', code: 'print(1)' };
      jobId = (await orchestrator.post(start)).body.job_id;
    }
    /** How long each request takes until the work is done, and for at least two seconds. */
    const askMeanwhile = async (work: Promise<unknown>): Promise<number[]> => {
      const times: number[] = [];
      let done = false;
      const end = Promise.all([work, sleep(2_000)]).finally(() => {
        done = true;
      });
      while (!done) {
        const began = performance.now();
        const response = await fetch(`${orchestrator.url}/jobs/${jobId}`, { headers: { authorization } });
        await response.arrayBuffer();
        times.push(performance.now() - began);
        await sleep(10);
      }
      await end;
      return times;
    };
    const restart = async () => {
      await orchestrator.kill();
      await orchestrator.start();
    };
    await restart();
    const alone = await askMeanwhile(Promise.resolve());
    await restart();
    const child = fork(fileURLToPath(import.meta.url), [String(watchers), String(bots)], {
      env: { ...process.env, WATCH: orchestrator.url },
    });
    const began = performance.now();
    const allBack = once(child, 'message', { signal: AbortSignal.timeout(120_000) });
    const beside = await askMeanwhile(allBack).finally(() => child.kill());
    const back = performance.now() - began;
    console.log(
      `${watchers} watchers of ${bots} bots, all back ${(back / 1000).toFixed(1)} s after the restart (2 s at least), load ${loadavg()[0]?.toFixed(1)}`,
    );
    for (const [name, times] of [
      ['nobody comes back', alone],
      ['all come back', beside],
    ] as const) {
      console.log(
        `  somebody else's request, ${name}: p50 ${quantile(times, 0.5).toFixed(1)} ms, p99 ${quantile(times, 0.99).toFixed(1)} ms, ` +
          `most ${Math.max(...times).toFixed(1)} ms of ${times.length}`,
      );
    }
  } finally {
    await orchestrator[Symbol.asyncDispose]();
  }
}

const { WATCH: url } = process.env;
if (url === undefined) await main();
else watch(url);
