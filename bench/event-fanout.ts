/**
 * How fast a change reaches 1,000 watchers, and what a watcher costs in memory, beside a bare fan-out of node:http2 that writes
 * as many bytes to as many streams:
 *
 *     npx node bench/event-fanout.ts [WATCHERS] [CHANGES]
 *
 * All servers are programs of their own, up at the same time, and get their changes in turn; the watchers are all in this process and
 * decode nothing. With `shared`, 100 watchers are streams of one connection; with `each`, every one has a connection of its own, as every
 * reader of Server-Sent Events has. A change is one request, on disk before anybody hears of it; its time ends, for each watcher,
 * when its first event is there. Memory is what the server's process has grown by since before they came: resident, and what is
 * in use on its heap after a collection. PROFILE=FOLDER writes CPU profiles of the orchestrators there.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import http2 from 'node:http2';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '../test/kit/eventually.ts';
import { startOrchestratorProgram } from '../test/kit/orchestrator-program.ts';
import { type Watchers, watchOverHttp2, watchOverSse } from './fanout/watchers.ts';
import { rssBytes } from './process-usage.ts';
import { quantile } from './quantile.ts';

const [watchers = 1_000, changes = 30] = process.argv.slice(2).map(Number);
const bound = { timeoutMs: 120_000 };
const authorization = 'Bearer test-client-token';
const { PROFILE: profile } = process.env;
// Of one event of a bot, as a message of gRPC.
const eventBytes = 110;

interface Server {
  readonly change: () => Promise<unknown>;
  readonly pid: number;
  readonly heapFile: string;
  readonly watch: (options: Watchers) => void;
  readonly close: () => Promise<void>;
}

interface Contestant extends Server {
  readonly name: string;
  /** The name of the one that it is compared with. */
  readonly floor: string;
  /** When each watcher heard its first event of the change. */
  readonly heardAt: number[];
  events: number;
  ready: number;
  readonly times: number[];
  readonly p99s: number[];
  readonly memory: { rss: number; heap: number };
}

async function heapOf({ pid, heapFile }: Server): Promise<number> {
  rmSync(heapFile, { force: true });
  process.kill(pid, 'SIGUSR2');
  await eventually('it has collected', () => existsSync(heapFile), Boolean, bound);
  return Number(readFileSync(heapFile, 'utf8'));
}

const over = new AbortController();
const heapFolder = mkdtempSync(join(tmpdir(), 'event-fanout-'));
const collectable = (folder?: string): string => {
  const importUrl = new URL('./fanout/collect-garbage.ts', import.meta.url).href;
  return `--expose-gc --import ${importUrl}${folder === undefined ? '' : ` --cpu-prof --cpu-prof-dir=${folder}`}`;
};

async function bare(heapFile: string): Promise<Server> {
  const child: ChildProcess = fork(new URL('./fanout/bare-server.ts', import.meta.url), [String(eventBytes)], {
    execArgv: collectable().split(' '),
    env: { ...process.env, HEAP_FILE: heapFile },
  });
  const [{ url, file }] = (await once(child, 'message')) as [{ url: string; file: string }]; // what it sends
  const session = http2.connect(url);
  return {
    change: async () => {
      const stream = session.request({ ':path': '/change' }).resume();
      await once(stream, 'close');
    },
    pid: child.pid ?? 0,
    heapFile,
    watch: (options) => watchOverHttp2(url, '/watch', options),
    close: async () => {
      session.destroy();
      child.disconnect();
      await once(child, 'exit');
      rmSync(file, { force: true });
    },
  };
}

async function platform(way: 'gRPC' | 'SSE', heapFile: string): Promise<Server> {
  const orchestrator = await startOrchestratorProgram({
    LOG_LEVEL: 'warn',
    MAX_BOTS_PER_USER: '10000',
    NODE_OPTIONS: collectable(profile),
    HEAP_FILE: heapFile,
  });
  let made = 0;
  // A bot that waits for a worker.
  const change = () =>
    orchestrator.post({ action: 'start', bot_id: `b-${++made}`, deployment_mode: 'simple', code: 'print(1)' });
  // What any request costs once: code that is compiled, caches of the store.
  for (let n = 0; n < 100; n++) await change();
  return {
    change,
    pid: orchestrator.pid(),
    heapFile,
    watch: (options) =>
      way === 'gRPC'
        ? watchOverHttp2(orchestrator.url, '/botrunner.v1.BotService/WatchBots', options)
        : watchOverSse(orchestrator.url, '/events?jobs=0', options),
    close: () => orchestrator[Symbol.asyncDispose](),
  };
}

/** Starts the server and lets all of its watchers in. */
async function open(
  name: string,
  floor: string,
  start: (heapFile: string) => Promise<Server>,
  perConnection: number,
): Promise<Contestant> {
  const server = await start(join(heapFolder, name.replaceAll(/\W/g, '-')));
  const memory = { rss: 0, heap: 0 };
  const counts = { heardAt: new Array<number>(watchers).fill(0), events: 0, ready: 0, times: [], p99s: [] };
  const contestant: Contestant = { ...server, name, floor, ...counts, memory };
  const [heap, rss] = [await heapOf(server), rssBytes(server.pid)];
  server.watch({
    count: watchers,
    perConnection,
    authorization,
    signal: over.signal,
    onFrame: (index, isFirst) => {
      if (isFirst) contestant.ready++;
      else {
        contestant.events++;
        if (contestant.heardAt[index] === 0) contestant.heardAt[index] = performance.now();
      }
    },
  });
  await eventually(
    `all watch (${name})`,
    () => contestant.ready,
    (count) => count === watchers,
    bound,
  );
  await sleep(1_000);
  memory.rss = rssBytes(server.pid) - rss;
  memory.heap = (await heapOf(server)) - heap;
  return contestant;
}

/** One change, and how long each watcher waited for it. */
async function run(contestant: Contestant, counts: boolean): Promise<void> {
  const { heardAt } = contestant;
  heardAt.fill(0);
  const began = performance.now();
  await contestant.change();
  await eventually(
    `all have heard (${contestant.name})`,
    () => heardAt.filter((at) => at === 0).length,
    (left) => left === 0,
    bound,
  );
  // Until the rest of the change has arrived too: it must not be taken for the next one.
  const seen = { count: -1 };
  await eventually(
    'nothing more comes',
    () => {
      const same = seen.count === contestant.events;
      seen.count = contestant.events;
      return same && contestant.events % watchers === 0;
    },
    Boolean,
    { ...bound, everyMs: 50 },
  );
  if (!counts) return;
  const times = heardAt.map((at) => at - began);
  contestant.times.push(...times);
  contestant.p99s.push(quantile(times, 0.99));
}

const shared = 100;
const contestants: Contestant[] = [];
try {
  contestants.push(await open('bare h2, shared', 'bare h2, shared', bare, shared));
  contestants.push(await open('gRPC, shared', 'bare h2, shared', (file) => platform('gRPC', file), shared));
  contestants.push(await open('bare h2, each', 'bare h2, each', bare, 1));
  contestants.push(await open('gRPC, each', 'bare h2, each', (file) => platform('gRPC', file), 1));
  contestants.push(await open('SSE, each', 'bare h2, each', (file) => platform('SSE', file), 1));
  for (let round = -3; round < changes; round++) {
    for (const contestant of contestants) await run(contestant, round >= 0);
  }
  console.log(`${watchers} watchers, ${changes} changes in turn, load ${loadavg()[0]?.toFixed(1)}`);
  console.log(
    'what            | p50 ms | p99 ms | p99 beside its bare one, median of the changes | KiB a watcher: resident, heap',
  );
  for (const { name, floor, times, p99s, memory } of contestants) {
    const floors = contestants.find((contestant) => contestant.name === floor)?.p99s ?? [];
    const ratios = p99s.map((value, index) => value / (floors[index] ?? Number.NaN));
    const kib = (bytes: number) => (bytes / watchers / 1024).toFixed(1);
    console.log(
      [
        name.padEnd(15),
        quantile(times, 0.5).toFixed(1),
        quantile(times, 0.99).toFixed(1),
        `${quantile(ratios, 0.5).toFixed(2)}x`,
        `${kib(memory.rss)}, ${kib(memory.heap)}`,
      ].join(' | '),
    );
  }
} finally {
  over.abort();
  for (const { close } of contestants) await close();
  rmSync(heapFolder, { recursive: true, force: true });
}
