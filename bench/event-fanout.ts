/**
 * How fast a change reaches 1,000 watchers, and what a watcher costs in memory, beside a bare fan-out of node:http2 that writes
 * as many bytes to as many streams:
 *
 *     node bench/event-fanout.ts [WATCHERS] [CHANGES]
 *
 * All servers are programs of their own, up at the same time, and get their changes in turn. A change is one request, on disk
 * before anybody hears of it; its time ends, for each watcher, when its first event is there. PROFILE=FOLDER writes CPU
 * profiles of the orchestrators there.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, rmSync } from 'node:fs';
import http2 from 'node:http2';
import { loadavg } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '../test/kit/eventually.ts';
import { startOrchestratorProgram } from '../test/kit/orchestrator-program.ts';
import { watchOverHttp2, watchOverSse } from './fanout/watchers.ts';

const [watchers = 1_000, changes = 30] = process.argv.slice(2).map(Number);
const bound = { timeoutMs: 120_000 };
const authorization = 'Bearer test-client-token';
const { PROFILE: profile } = process.env;
// Of one event of a bot, as a message of gRPC.
const eventBytes = 110;

interface Contestant {
  readonly name: string;
  readonly change: () => Promise<unknown>;
  readonly rss: (collected?: boolean) => Promise<number>;
  readonly close: () => Promise<void>;
  /** When each watcher heard its first event of the change. */
  readonly heardAt: number[];
  events: number;
  ready: number;
  readonly times: number[];
  readonly p99s: number[];
  readonly memory: { before: number; idle: number; collected: number; after: number };
}

const rssOf = (pid: number): number =>
  Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? Number.NaN) * 1024;

function blank(name: string, parts: Pick<Contestant, 'change' | 'rss' | 'close'>): Contestant {
  const memory = { before: 0, idle: 0, collected: 0, after: 0 };
  return { name, ...parts, heardAt: new Array(watchers).fill(0), events: 0, ready: 0, times: [], p99s: [], memory };
}

/** The memory after a collection, which comes by a signal and is over when nothing changes any more. */
async function collectedRss(pid: number): Promise<number> {
  process.kill(pid, 'SIGUSR2');
  await sleep(2_000);
  return rssOf(pid);
}

const over = new AbortController();
const watching = (contestant: Contestant) => ({
  count: watchers,
  authorization,
  signal: over.signal,
  onFrame: (index: number, isFirst: boolean) => {
    if (isFirst) contestant.ready++;
    else {
      contestant.events++;
      if (contestant.heardAt[index] === 0) contestant.heardAt[index] = performance.now();
    }
  },
});

const collectable = (folder?: string): string => {
  const importUrl = new URL('./fanout/collect-garbage.ts', import.meta.url).href;
  return `--expose-gc --import ${importUrl}${folder === undefined ? '' : ` --cpu-prof --cpu-prof-dir=${folder}`}`;
};

async function bare(): Promise<Contestant> {
  const child: ChildProcess = fork(new URL('./fanout/bare-server.ts', import.meta.url), [String(eventBytes)], {
    execArgv: collectable().split(' '),
  });
  const [{ url, file }] = (await once(child, 'message')) as [{ url: string; file: string }]; // what it sends
  const pid = child.pid ?? 0;
  const session = http2.connect(url);
  const contestant = blank('bare h2', {
    change: async () => {
      const stream = session.request({ ':path': '/change' }).resume();
      await once(stream, 'close');
    },
    rss: async (collected) => (collected ? collectedRss(pid) : rssOf(pid)),
    close: async () => {
      session.destroy();
      child.disconnect();
      await once(child, 'exit');
      rmSync(file, { force: true });
    },
  });
  contestant.memory.before = await contestant.rss(true);
  watchOverHttp2(url, '/watch', watching(contestant));
  return contestant;
}

async function platform(way: 'gRPC' | 'SSE'): Promise<Contestant> {
  const orchestrator = await startOrchestratorProgram({
    LOG_LEVEL: 'warn',
    MAX_BOTS_PER_USER: '10000',
    NODE_OPTIONS: collectable(profile),
  });
  let made = 0;
  const contestant = blank(way, {
    // A bot that waits for a worker.
    change: () =>
      orchestrator.post({ action: 'start', bot_id: `b-${++made}`, deployment_mode: 'simple', code: 'print(1)' }),
    rss: async (collected) => (collected ? collectedRss(orchestrator.pid()) : orchestrator.rssBytes()),
    close: () => orchestrator[Symbol.asyncDispose](),
  });
  // What any request costs once: code that is compiled, caches of the store.
  for (let n = 0; n < 100; n++) await contestant.change();
  contestant.memory.before = await contestant.rss(true);
  if (way === 'gRPC') {
    watchOverHttp2(orchestrator.url, '/botrunner.v1.BotService/WatchBots', watching(contestant));
  } else watchOverSse(orchestrator.url, '/events?jobs=0', watching(contestant));
  return contestant;
}

const quantile = (values: readonly number[], q: number): number => {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? Number.NaN;
};

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

const contestants: Contestant[] = [];
try {
  for (const open of [bare, () => platform('gRPC'), () => platform('SSE')]) {
    const contestant = await open();
    contestants.push(contestant);
    await eventually(
      `all watch (${contestant.name})`,
      () => contestant.ready,
      (count) => count === watchers,
      bound,
    );
    await sleep(1_000);
    contestant.memory.idle = await contestant.rss();
    contestant.memory.collected = await contestant.rss(true);
  }
  for (let round = -3; round < changes; round++) {
    for (const contestant of contestants) await run(contestant, round >= 0);
  }
  const [floor] = contestants;
  console.log(`${watchers} watchers, ${changes} changes in turn, load ${loadavg()[0]?.toFixed(1)}`);
  console.log(
    'what     | p50 ms | p99 ms | p99 beside bare, median of the changes | KiB a watcher: idle, collected, after',
  );
  for (const { name, times, p99s, memory, rss } of contestants) {
    memory.after = await rss(true);
    const ratios = p99s.map((value, index) => value / (floor?.p99s[index] ?? Number.NaN));
    const kib = (bytes: number) => ((bytes - memory.before) / watchers / 1024).toFixed(1);
    console.log(
      [
        name.padEnd(8),
        quantile(times, 0.5).toFixed(1),
        quantile(times, 0.99).toFixed(1),
        `${quantile(ratios, 0.5).toFixed(2)}x`,
        `${kib(memory.idle)}, ${kib(memory.collected)}, ${kib(memory.after)}`,
      ].join(' | '),
    );
  }
} finally {
  over.abort();
  for (const { close } of contestants) await close();
}
