/**
 * What an innocent client notices of a flood, compared with the same client without it, in the same run:
 *
 *     npx node bench/floods.ts [SECONDS] [FLOOD...]
 *
 * The orchestrator is the real program. The innocent client makes a request with its token every 20 ms, whether the one before was answered or not, each
 * over a new connection and from another address, as a newcomer would: GET /jobs/ID; a request that waits counts from when it was due. `loop` is the
 * delay of the orchestrator's event loop. Each flood comes from a process of its own with the lowest priority: on a machine of two cores it would
 * otherwise take the time of the orchestrator and of the client that measures, as no flood from another machine can.
 *
 * One line a flood, `without` measured just before it. Only what stands on one line can be compared, on a machine that others use.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { get, type IncomingMessage } from 'node:http';
import { constants, loadavg, setPriority, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { developmentTokens } from '#common/development-tokens.ts';
import { type FloodCount, type FloodTarget, floods as ofConnections } from '../test/kit/floods.ts';
import { startOrchestratorProgram } from '../test/kit/orchestrator-program.ts';
import { bodyFloods } from './body-floods.ts';
import { delayEnv, type LoopDelay, takeDelay } from './loop-delay.ts';
import { quantile } from './quantile.ts';

const flooderToken = developmentTokens.CLIENT_TOKEN;
const floods = { ...ofConnections, ...bodyFloods };
type FloodName = keyof typeof floods;

const amounts: Readonly<Record<FloodName, number>> = {
  idle: 10_000,
  slow: 10_000,
  heldBodies: 600,
  rapidReset: 2,
  continuation: 2,
  settings: 2,
  ping: 2,
  nestedJson: 8,
  nestedJsonAnonymous: 8,
  nestedProtobuf: 8,
  nestedProtobufAnonymous: 8,
  sources: 8,
  sourcesProtobuf: 8,
};

const askEveryMs = 20;
/** Until a flood has settled. */
const settleMs = 2_000;
const connectMaxMs = 30_000;

/** In the other process: floods until the parent stops it. */
async function flood(name: FloodName, target: FloodTarget): Promise<void> {
  setPriority(constants.priority.PRIORITY_LOW);
  const count: FloodCount = { opened: 0, connected: 0, ended: 0, bytesSent: 0 };
  const ending = new AbortController();
  process.once('message', () => ending.abort());
  const flooding = floods[name](amounts[name])(target, ending.signal, count);
  // Thousands of connections take their time.
  const most = name === 'idle' || name === 'slow' ? amounts[name] : 1;
  const latest = performance.now() + connectMaxMs;
  while (count.connected < most && performance.now() < latest) await sleep(100);
  process.send?.('floods');
  await flooding;
  process.send?.(count);
  process.disconnect();
}

interface Measured {
  readonly times: readonly number[];
  readonly failed: number;
  /** The largest, MiB. */
  readonly rss: number;
  readonly loop: LoopDelay;
}

const columns = [
  ['flood', 24],
  ['p50 without', 12],
  ['with', 8],
  ['p99 without', 12],
  ['with', 8],
  ['ratio', 7],
  ['loop p99 without', 17],
  ['with', 8],
  ['ratio', 7],
  ['RSS +MiB', 9],
  ['opened', 8],
  ['refused', 8],
  ['failed', 7],
] as const;

const row = (cells: readonly string[]): string =>
  `${cells.map((cell, n) => (n === 0 ? cell.padEnd(columns[n]?.[1] ?? 0) : cell.padStart(columns[n]?.[1] ?? 0))).join(' ')}\n`;

function line(name: string, without: Measured, during: Measured, count: FloodCount): string {
  const ms = (value: number) => value.toFixed(1);
  const times = (more: number, less: number) => `${(more / less).toFixed(1)}x`;
  const [p50, p99] = [0.5, 0.99].map((q) => [quantile(without.times, q), quantile(during.times, q)] as const) as [
    readonly [number, number],
    readonly [number, number],
  ];
  return row([
    name,
    ms(p50[0]),
    ms(p50[1]),
    ms(p99[0]),
    ms(p99[1]),
    times(p99[1], p99[0]),
    ms(without.loop.p99),
    ms(during.loop.p99),
    times(during.loop.p99, without.loop.p99),
    (during.rss - without.rss).toFixed(0),
    String(count.opened),
    String(count.ended),
    String(during.failed),
  ]);
}

/** A token of another user than the one from whom the floods come. */
async function innocentToken(url: string): Promise<string> {
  const created = await fetch(`${url}/botrunner.v1.AdminService/CreateToken`, {
    method: 'POST',
    headers: { authorization: `Bearer ${developmentTokens.ADMIN_TOKEN}`, 'content-type': 'application/json' },
    body: JSON.stringify({ userId: 'innocent', name: 'bench', scope: 'TOKEN_SCOPE_CLIENT' }),
  });
  const { value } = (await created.json()) as { readonly value?: string };
  if (value === undefined) throw new Error(`no token was made: ${created.status}`);
  return value;
}

async function main(seconds: number, wanted: readonly FloodName[]): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'bench-floods-'));
  const delays = join(dir, 'delays');
  const orchestrator = await startOrchestratorProgram({ LOG_LEVEL: 'warn', ...delayEnv(delays) });
  const { url } = orchestrator;
  const port = new URL(url).port;
  const pid = orchestrator.pid();
  try {
    const headers = { authorization: `Bearer ${await innocentToken(url)}`, 'content-type': 'application/json' };
    const created = await fetch(`${url}/jobs`, {
      method: 'POST',
      headers,
      body: JSON.stringify({ blueprint: 'bot_runner', data: { action: 'list' } }),
    });
    const { job_id } = (await created.json()) as { readonly job_id: string };
    const ask = async (): Promise<void> => {
      const options = { headers, agent: false, localAddress: '127.0.0.2' };
      const [response] = (await once(get(`${url}/jobs/${job_id}`, options), 'response')) as [IncomingMessage];
      response.resume();
      await once(response, 'end');
      if (response.statusCode !== 200) throw new Error(`the innocent client got ${response.statusCode}`);
    };
    const measure = async (): Promise<Measured> => {
      await takeDelay(delays);
      const times: number[] = [];
      const asked: Promise<void>[] = [];
      let failed = 0;
      let rss = 0;
      const began = performance.now();
      for (let due = began; due < began + seconds * 1000; due += askEveryMs) {
        await sleep(Math.max(0, due - performance.now()));
        const answered = ask().then(
          () => {
            times.push(performance.now() - due);
          },
          () => {
            failed += 1;
          },
        );
        asked.push(answered);
        if (asked.length % 10 === 0) rss = Math.max(rss, orchestrator.rssBytes() / 2 ** 20);
      }
      await Promise.all(asked);
      return { times, rss, failed, loop: await takeDelay(delays) };
    };
    await measure();
    const load = loadavg().map((each) => each.toFixed(1));
    process.stdout.write(`times in ms; load ${load.join(' ')}\n${row(columns.map(([title]) => title))}`);
    for (const name of wanted) {
      const without = await measure();
      const child = fork(fileURLToPath(import.meta.url), ['--flood', name, port]);
      await once(child, 'message');
      await sleep(settleMs);
      const during = await measure();
      const counted = once(child, 'message');
      child.send('stop');
      const [count] = (await counted) as [FloodCount];
      process.stdout.write(line(name, without, during, count));
      if (orchestrator.pid() !== pid) throw new Error('the orchestrator has ended');
      await sleep(1_000);
    }
  } finally {
    await orchestrator[Symbol.asyncDispose]();
    rmSync(dir, { recursive: true });
  }
}

const names = Object.keys(floods) as FloodName[];
const [mode, ...named] = process.argv.slice(2);
if (mode === '--flood') await flood(named[0] as FloodName, { port: Number(named[1]), token: flooderToken });
else await main(Number(mode ?? 8), named.length === 0 ? names : names.filter((each) => named.includes(each)));
