/**
 * Durable dispatch beside durable queues: a job of 1 KiB from one process to a handler in another, on disk (fsync) before it is
 * acknowledged, on the same disk in the same run.
 *
 *     node bench/dispatch.ts [--seconds 10] [--rounds 3] [--warm-up 5] [--bots 64,10000]
 *         [--outstanding 1,64] [--only "REST, 64 bots" --only JetStream] [--short]
 *
 * It starts all servers itself (Debian's packages and npm's, unpacked into a cache; nothing is installed), runs the contestants
 * in turns, and prints medians over the rounds with ratios taken round by round. `--short` is for a look: one round of two
 * seconds, 64 bots. BENCH_PROFILE=FOLDER writes CPU profiles of the orchestrators there.
 */
import { cpus, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { botRunner } from './dispatch/bot-runner.ts';
import type { Contestant } from './dispatch/contestant.ts';
import { Entry, type Figures } from './dispatch/measure.ts';
import { bullmq, jetStream, pgBoss } from './dispatch/rivals.ts';
import { type Row, table } from './dispatch/table.ts';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string' },
    rounds: { type: 'string' },
    'warm-up': { type: 'string' },
    bots: { type: 'string' },
    only: { type: 'string', multiple: true },
    outstanding: { type: 'string', default: '1,64' },
    short: { type: 'boolean', default: false },
  },
});
const { short } = values;
const seconds = Number(values.seconds ?? (short ? 2 : 10));
const rounds = Number(values.rounds ?? (short ? 1 : 3));
const warmUp = Number(values['warm-up'] ?? (short ? 1 : 5));
const bots = (values.bots ?? (short ? '64' : '64,10000')).split(',').map(Number);
const { only } = values;

const few = Math.min(...bots);
const many = bots.filter((count) => count > few);
const contestants: readonly Contestant[] = [
  botRunner('REST', { bots: few, users: 1, waiting: 0 }),
  botRunner('stream', { bots: few, users: 1, waiting: 0 }),
  ...many.flatMap((count) => [
    botRunner('REST', { bots: count, users: 1, waiting: 0 }),
    botRunner('REST', { bots: count, users: 100, waiting: 0 }),
  ]),
  ...(short ? [] : [botRunner('REST', { bots: few, users: 1, waiting: 1_000 })]),
  bullmq('always'),
  bullmq('everysec'),
  jetStream,
  pgBoss,
].filter(({ name }) => only === undefined || only.some((part) => name.includes(part)));
const rivals = ['BullMQ, appendfsync always', 'JetStream, sync_interval always'];

const entries: Entry[] = [];
// The orchestrators are in process groups of their own; ending the bench early leaves nothing behind.
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    // What breaks because its servers end is expected.
    process.on('uncaughtException', () => undefined);
    Promise.allSettled(entries.map((entry) => entry.stop())).then(() => process.exit(130));
  });
}
try {
  for (const contestant of contestants) {
    process.stderr.write(`starting ${contestant.name}\n`);
    const entry = new Entry(contestant);
    entries.push(entry);
    await entry.start();
  }
  for (const entry of entries) await entry.run(64, warmUp);
  const machine = `${cpus().length} cores, ${cpus()[0]?.model ?? ''}, Node ${process.version}`;
  console.log(`${new Date().toISOString()}, ${machine}, load ${loadavg().map((load) => load.toFixed(1))}`);
  console.log(`${rounds} rounds of ${seconds} s each, in turns; medians; ratios round by round\n`);
  for (const outstanding of values.outstanding.split(',').map(Number)) {
    const figures = new Map<Entry, Figures[]>(entries.map((entry) => [entry, []]));
    for (let round = 0; round < rounds; round++) {
      for (const entry of entries) {
        process.stderr.write(`round ${round + 1}, ${outstanding} outstanding: ${entry.contestant.name}\n`);
        figures.get(entry)?.push(await entry.run(outstanding, seconds));
      }
    }
    const rows: Row[] = entries.map((entry) => ({
      name: entry.contestant.name,
      durable: entry.contestant.durable,
      rounds: figures.get(entry) ?? [],
    }));
    console.log(table(`${outstanding} outstanding`, rows, rivals));
  }
} finally {
  for (const entry of entries) await entry.stop();
}
process.exit();
