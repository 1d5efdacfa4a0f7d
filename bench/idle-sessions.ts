/**
 * What 1,000 idle worker sessions cost the orchestrator, and how they come back after a restart:
 *
 *     node bench/idle-sessions.ts [SESSIONS] [IDLE SECONDS]
 *
 * The orchestrator is the real program; the workers are played by this process over grpc-js, each on a connection of its own,
 * with the heartbeats that they are asked for and the pauses of our worker between tries. Times of CPU are of the orchestrator.
 * A write to the store shows by the time and size of its log, which each commit adds to.
 */
import { readFileSync, statSync } from 'node:fs';
import { loadavg } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '../test/kit/eventually.ts';
import { startOrchestratorProgram } from '../test/kit/orchestrator-program.ts';
import { connectScriptedWorker, type ScriptedWorker } from '../test/kit/scripted-worker.ts';
import { dialDelayMs } from '../worker/session/backoff.ts';

const [sessions = 1_000, idleSeconds = 30] = process.argv.slice(2).map(Number);
const bound = { timeoutMs: 180_000, everyMs: 20 };
const mib = (bytes: number) => `${(bytes / 1024 / 1024).toFixed(0)} MiB`;

const orchestrator = await startOrchestratorProgram({ LOG_LEVEL: 'warn' });
const address = new URL(orchestrator.url).host;

/** Seconds of CPU that the orchestrator has used; the kernel counts hundredths. */
function cpuSeconds(): number {
  const stat = readFileSync(`/proc/${orchestrator.pid()}/stat`, 'utf8');
  const [user, system] = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, 13);
  return (Number(user) + Number(system)) / 100;
}
/** Of the store's log, which grows with each commit until it begins anew. */
const storeLog = () => {
  const { size, mtimeMs } = statSync(`${orchestrator.dir}/orchestrator/store.sqlite-wal`);
  return { size, mtimeMs };
};

interface Played {
  worker: ScriptedWorker | undefined;
  /** When it was welcomed, by performance.now(). */
  welcomedAt: number;
  dials: number;
}
const all: Played[] = Array.from({ length: sessions }, () => ({ worker: undefined, welcomedAt: 0, dials: 0 }));
let over = false;

/** One worker for the whole run: dials, sends heartbeats while it has a session, and dials again when it has none. */
async function play(played: Played, index: number): Promise<void> {
  for (let failures = 0; !over; failures++) {
    if (played.dials++ > 0) await sleep(dialDelayMs(failures, Math.random()));
    const worker = await connectScriptedWorker(address, { workerId: `w${index}`, bootId: `boot-${index}` });
    played.worker = worker;
    worker.onMessage(({ body }) => {
      if (body.case !== 'welcome') return;
      played.welcomedAt = performance.now();
      failures = 0;
    });
    while (!over && worker.ended() === undefined) {
      if (played.welcomedAt > 0) worker.send({ case: 'heartbeat', value: { ready: true } });
      await sleep(2_000 * (0.95 + Math.random() * 0.1));
    }
    worker.close();
  }
}

const welcomed = (since: number) => all.filter(({ welcomedAt }) => welcomedAt > since).length;
const untilAll = (what: string, since: number) =>
  eventually(
    what,
    () => welcomed(since),
    (count) => count === sessions,
    bound,
  );

try {
  await sleep(2_000);
  const before = orchestrator.rssBytes();
  const began = performance.now();
  const playing = all.map(play);
  await untilAll('all have joined', 0);
  console.log(`${sessions} sessions, load ${loadavg()[0]?.toFixed(1)}`);
  console.log(`  joined in ${((performance.now() - began) / 1000).toFixed(1)} s`);
  await sleep(5_000);
  const [cpu, log, from] = [cpuSeconds(), storeLog(), performance.now()];
  await sleep(idleSeconds * 1_000);
  const seconds = (performance.now() - from) / 1000;
  const rss = orchestrator.rssBytes();
  console.log(
    `  memory ${mib(before)} without, ${mib(rss)} with: ${((rss - before) / sessions / 1024).toFixed(1)} KiB each`,
  );
  console.log(`  idle CPU ${(((cpuSeconds() - cpu) / seconds) * 100).toFixed(1)} %`);
  const logNow = storeLog();
  const wrote = logNow.mtimeMs === log.mtimeMs && logNow.size === log.size ? 'nothing' : 'SOMETHING';
  console.log(`  written to the store in ${seconds.toFixed(0)} s of heartbeats: ${wrote}`);
  const dials = all.reduce((sum, played) => sum + played.dials, 0);
  await orchestrator.kill();
  await orchestrator.start();
  const back = performance.now();
  await untilAll('all are back', back - 1_000);
  const times = all.map(({ welcomedAt }) => Math.max(0, welcomedAt - back)).sort((a, b) => a - b);
  const at = (q: number) => `${((times[Math.floor((times.length - 1) * q)] ?? 0) / 1000).toFixed(1)} s`;
  const again = all.reduce((sum, played) => sum + played.dials, 0) - dials;
  console.log(
    `  after kill -9: half are back ${at(0.5)} after it was up, 90 % ${at(0.9)}, all ${at(1)}; ${(again / sessions).toFixed(1)} dials each`,
  );
  over = true;
  await orchestrator[Symbol.asyncDispose]();
  await Promise.all(playing);
} finally {
  over = true;
  for (const { worker } of all) worker?.close();
  await orchestrator[Symbol.asyncDispose]();
}
