/**
 * What idle worker sessions cost the orchestrator, beside the least that as many connections cost on this platform, and how they come
 * back after a restart:
 *
 *     npx node bench/idle-sessions.ts [SESSIONS] [IDLE SECONDS]
 *
 * The orchestrator is the real program. The workers are played by another process (idle-sessions/players.ts), each on a connection of its
 * own, with the heartbeats that they are asked for and the pauses of our worker between tries. CPU and memory are of the server's process
 * alone. A commit shows by the store's log, which each one adds to. While the workers come back, somebody else's request is made every
 * 20 ms, and the same after a restart at which none of them comes back. HEAP=FOLDER writes heap snapshots with none and
 * with all of them, PROFILE=FOLDER CPU profiles of the last process, up to the end; the first leaves the restart out.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, statSync } from 'node:fs';
import { loadavg } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '../test/kit/eventually.ts';
import { clientToken, workerToken } from '../test/kit/orchestrator-for-tests.ts';
import { type OrchestratorProgram, startOrchestratorProgram } from '../test/kit/orchestrator-program.ts';
import type { Order, Welcomed } from './idle-sessions/players.ts';
import { ownCpuMs, rssBytes } from './process-usage.ts';
import { quantile } from './quantile.ts';

const [sessions = 1_000, idleSeconds = 30] = process.argv.slice(2).map(Number);
const { HEAP: heap, PROFILE: profile } = process.env;
const lookMs = 10_000;

/** A server that is looked at from outside. */
interface Watched {
  readonly url: string;
  readonly pid: () => number;
}

const rssKiB = (pid: number): number => rssBytes(pid) / 1024;
const cpuSeconds = (pid: number): number => ownCpuMs(pid) / 1000;

class Players {
  readonly #child: ChildProcess;
  /** The last welcome of each. */
  readonly #welcomed = new Map<number, Welcomed>();

  constructor() {
    this.#child = fork(new URL('./idle-sessions/players.ts', import.meta.url), {
      env: { ...process.env, WORKER_TOKEN: workerToken },
    });
    this.#child.on('message', (welcomed: Welcomed) => this.#welcomed.set(welcomed.player, welcomed));
  }

  order(order: Order): void {
    this.#child.send(order);
  }

  /** Of those that came at this time or later. */
  since(at: number): readonly Welcomed[] {
    return [...this.#welcomed.values()].filter((welcomed) => welcomed.at >= at);
  }

  untilAll(since: number): Promise<unknown> {
    return eventually(
      'all have a session',
      () => this.since(since).length,
      (count) => count === sessions,
      { timeoutMs: 60_000, everyMs: 50 },
    );
  }

  [Symbol.dispose](): void {
    this.#child.kill();
  }
}

const mib = (kib: number): string => `${(kib / 1024).toFixed(0)} MiB`;

interface Cost {
  readonly kibEach: number;
}

/** All of them join; then nothing happens. */
async function measureIdle(name: string, server: Watched, players: Players): Promise<Cost> {
  await sleep(2_000);
  const before = rssKiB(server.pid());
  const [began, cpuBefore] = [Date.now(), cpuSeconds(server.pid())];
  players.order({ kind: 'play', url: server.url, players: sessions });
  await players.untilAll(0);
  const joined = (Math.max(...players.since(0).map((welcomed) => welcomed.at)) - began) / 1000;
  const cpuJoined = cpuSeconds(server.pid()) - cpuBefore;
  await sleep(5_000);
  const [cpu, from] = [cpuSeconds(server.pid()), performance.now()];
  await sleep(idleSeconds * 1_000);
  const seconds = (performance.now() - from) / 1000;
  const kibEach = (rssKiB(server.pid()) - before) / sessions;
  const idle = ((cpuSeconds(server.pid()) - cpu) / seconds) * 100;
  console.log(
    `${name}: joined in ${joined.toFixed(1)} s (${((cpuJoined / sessions) * 1000).toFixed(2)} ms of CPU each); memory ${mib(before)} ` +
      `without, ${mib(rssKiB(server.pid()))} with: ${kibEach.toFixed(1)} KiB each; idle CPU ${idle.toFixed(2)} %`,
  );
  return { kibEach };
}

async function measureFloor(): Promise<Cost> {
  const child = fork(new URL('./idle-sessions/bare-server.ts', import.meta.url));
  using players = new Players();
  try {
    const [{ port }] = (await once(child, 'message')) as [{ port: number }]; // what it says when it listens
    return await measureIdle(
      'node:http2 alone',
      { url: `http://127.0.0.1:${port}`, pid: () => child.pid ?? 0 },
      players,
    );
  } finally {
    child.kill();
  }
}

/** Of the store's log, which grows with each commit until it begins anew. */
function storeLog({ dir }: OrchestratorProgram): string {
  const { size, mtimeMs } = statSync(`${dir}/orchestrator/store.sqlite-wal`);
  return `${size} ${mtimeMs}`;
}

/** Response times of another user's requests, ms: one begins every 20 ms. */
async function othersRequests({ url }: OrchestratorProgram): Promise<readonly number[]> {
  const times: number[] = [];
  const under: Promise<void>[] = [];
  const end = performance.now() + lookMs;
  while (performance.now() < end) {
    const began = performance.now();
    const asked = fetch(`${url}/botrunner.v1.BotService/ListBots`, {
      method: 'POST',
      headers: { authorization: `Bearer ${clientToken}`, 'content-type': 'application/json' },
      body: '{}',
    });
    under.push(
      asked.then(async (response) => {
        if (!response.ok) throw new Error(`ListBots was answered with ${response.status}`);
        await response.text();
        times.push(performance.now() - began);
      }),
    );
    await sleep(20);
  }
  await Promise.all(under);
  return times;
}

async function restart(orchestrator: OrchestratorProgram): Promise<number> {
  await orchestrator.kill();
  await orchestrator.start();
  return Date.now();
}

async function measureReturn(orchestrator: OrchestratorProgram, players: Players): Promise<void> {
  players.order({ kind: 'hold' });
  await restart(orchestrator);
  const alone = await othersRequests(orchestrator);
  players.order({ kind: 'go' });
  await players.untilAll(Date.now() - lookMs);
  await sleep(2_000);
  const killed = Date.now();
  const up = await restart(orchestrator);
  const beside = await othersRequests(orchestrator);
  await players.untilAll(killed);
  const back = players.since(killed);
  const times = back.map((welcomed) => (welcomed.at - up) / 1000);
  const tenths = Array.from(
    { length: Math.ceil(quantile(times, 1)) },
    (_, second) => times.filter((t) => t >= second && t < second + 1).length,
  );
  console.log(
    `after kill -9 (up again in ${((up - killed) / 1000).toFixed(1)} s): half are back ${quantile(times, 0.5).toFixed(1)} s after it was up, 90 % ` +
      `${quantile(times, 0.9).toFixed(1)} s, all ${quantile(times, 1).toFixed(1)} s; ${(back.reduce((sum, { dials }) => sum + dials, 0) / sessions).toFixed(1)} dials each; ` +
      `back in each second: ${tenths.join(' ')}`,
  );
  const shown = (times: readonly number[]) =>
    `p50 ${quantile(times, 0.5).toFixed(1)}, p99 ${quantile(times, 0.99).toFixed(1)}, most ${quantile(times, 1).toFixed(1)}`;
  console.log(`  somebody else's request meanwhile, ms: ${shown(beside)}; with none coming back: ${shown(alone)}`);
}

async function snapshot(pid: number, dir: string): Promise<void> {
  mkdirSync(dir, { recursive: true });
  process.kill(pid, 'SIGUSR2');
  await sleep(15_000);
}

console.log(`${sessions} sessions, load ${loadavg()[0]?.toFixed(1)}, Node ${process.versions.node}`);
const floor = await measureFloor();
await using orchestrator = await startOrchestratorProgram({
  LOG_LEVEL: 'warn',
  ...(heap === undefined ? {} : { NODE_OPTIONS: `--heapsnapshot-signal=SIGUSR2 --diagnostic-dir=${heap}` }),
  ...(profile === undefined ? {} : { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${profile}` }),
});
using players = new Players();
if (heap !== undefined) await snapshot(orchestrator.pid(), heap);
const log = { before: '', after: '' };
const cost = await measureIdle('orchestrator', orchestrator, players);
log.before = storeLog(orchestrator);
await sleep(10_000);
log.after = storeLog(orchestrator);
console.log(
  `  ${(cost.kibEach / floor.kibEach).toFixed(2)}x the memory; written to the store in 10 s of heartbeats: ${log.before === log.after ? 'nothing' : 'SOMETHING'}`,
);
if (heap !== undefined) await snapshot(orchestrator.pid(), heap);
if (heap === undefined) await measureReturn(orchestrator, players);
