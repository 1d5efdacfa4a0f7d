/**
 * What an innocent client notices of a flood, compared with the same client without it, in the same run:
 *
 *     npx node bench/floods.ts [SECONDS] [FLOOD]
 *
 * The orchestrator is the real program; each flood comes from a process of its own. The innocent client makes a request with its token every 20 ms,
 * each over a new connection and from another address, as a newcomer would: GET /jobs/ID. `loop` is the delay of the orchestrator's event loop. On a
 * machine that others use, only what is beside each other can be compared.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { get, type IncomingMessage } from 'node:http';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type FloodCount, type FloodTarget, floods as ofConnections } from '../test/kit/floods.ts';
import { startOrchestratorProgram } from '../test/kit/orchestrator-program.ts';
import { bodyFloods } from './body-floods.ts';
import { delayEnv, takeDelay } from './loop-delay.ts';
import { quantile } from './quantile.ts';

const token = 'test-client-token';
const floods = { ...ofConnections, ...bodyFloods };
const amounts: Readonly<Record<keyof typeof floods, number>> = {
  idle: 10_000,
  slow: 10_000,
  heldBodies: 600,
  rapidReset: 2,
  continuation: 2,
  settings: 2,
  ping: 2,
  nestedJson: 2,
  nestedJsonAnonymous: 2,
  nestedProtobuf: 2,
  nestedProtobufAnonymous: 2,
};

/** In the other process: floods until the parent stops it. */
async function flood(name: keyof typeof floods, target: FloodTarget): Promise<void> {
  const count: FloodCount = { opened: 0, connected: 0, ended: 0, bytesSent: 0 };
  const ending = new AbortController();
  process.once('message', () => ending.abort());
  const flooding = floods[name](amounts[name])(target, ending.signal, count);
  // Thousands of connections take their time.
  const most = name === 'idle' || name === 'slow' ? amounts[name] : 1;
  while (count.connected < most) await sleep(100);
  process.send?.('floods');
  await flooding;
  process.send?.(count);
  process.disconnect();
}

async function main(seconds: number, wanted: readonly (keyof typeof floods)[]): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'bench-floods-'));
  const delays = join(dir, 'delays');
  const orchestrator = await startOrchestratorProgram({ LOG_LEVEL: 'warn', ...delayEnv(delays) });
  const { url } = orchestrator;
  const port = new URL(url).port;
  try {
    const created = await orchestrator.post({ action: 'list' });
    const ask = async (): Promise<number> => {
      const began = performance.now();
      const options = { headers: { authorization: `Bearer ${token}` }, agent: false, localAddress: '127.0.0.2' };
      const [response] = (await once(get(`${url}/jobs/${created.body.job_id}`, options), 'response')) as [
        IncomingMessage,
      ];
      response.resume();
      await once(response, 'end');
      if (response.statusCode !== 200) throw new Error(`the innocent client got ${response.statusCode}`);
      return performance.now() - began;
    };
    /** Its response times, the orchestrator's largest resident memory and its loop's delay, and how many requests failed. */
    const measure = async () => {
      await takeDelay(delays);
      const times: number[] = [];
      let failed = 0;
      let rss = 0;
      const end = performance.now() + seconds * 1000;
      while (performance.now() < end) {
        await ask().then(
          (ms) => times.push(ms),
          () => {
            failed += 1;
          },
        );
        rss = Math.max(rss, orchestrator.rssBytes() / 2 ** 20);
        await sleep(20);
      }
      return { p50: quantile(times, 0.5), p99: quantile(times, 0.99), rss, failed, loop: await takeDelay(delays) };
    };
    await measure();
    process.stdout.write(
      `load ${loadavg()
        .map((load) => load.toFixed(1))
        .join(' ')}\n`,
    );
    const show = ({ p50, p99, rss, failed, loop }: Awaited<ReturnType<typeof measure>>) =>
      `p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms, loop p99 ${loop.p99.toFixed(1)} ms, longest ${loop.max.toFixed(0)} ms, RSS ${rss.toFixed(0)} MiB, ${failed} failed`;
    for (const name of wanted) {
      const without = await measure();
      const child = fork(fileURLToPath(import.meta.url), ['--flood', name, port]);
      await once(child, 'message');
      await sleep(2_000);
      const during = await measure();
      const counted = once(child, 'message');
      child.send('stop');
      const [count] = await counted;
      process.stdout.write(
        `${name}\n  without: ${show(without)}\n  during:  ${show(during)}\n  flood:   ${JSON.stringify(count)}\n`,
      );
      await sleep(1_000);
    }
  } finally {
    await orchestrator[Symbol.asyncDispose]();
    rmSync(dir, { recursive: true });
  }
}

const names = Object.keys(floods) as (keyof typeof floods)[];
const [mode, name, port] = process.argv.slice(2);
if (mode === '--flood') await flood(name as keyof typeof floods, { port: Number(port), token });
else await main(Number(mode ?? 10), name === undefined ? names : names.filter((each) => each === name));
