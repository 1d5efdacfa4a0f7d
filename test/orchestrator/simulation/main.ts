/**
 * npm run simulate -- [--seeds N] [--seed FIRST] [--keep FOLDER]
 *
 * Runs N seeds (100,000 unless given) from FIRST on all cores. A failure is printed as the shortest scenario that was found, and
 * with --keep written into the folder, ready for test/orchestrator/scenarios/. Exit code 1 when there was one.
 */
import { writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { type Failure, simulate } from './simulate.ts';

interface Share {
  readonly first: number;
  readonly step: number;
  readonly end: number;
}

type Report = { readonly done: number } | { readonly failure: Failure };

const reportEvery = 1_000;
// One kind of fault fails in many ways; the first few say enough.
const failuresMax = 5;

function runShare({ first, step, end }: Share, report: (report: Report) => void): void {
  let done = 0;
  for (let seed = first; seed < end; seed += step) {
    const failure = simulate(seed);
    if (failure !== undefined) report({ failure });
    if (++done % reportEvery === 0) report({ done: reportEvery });
  }
  report({ done: done % reportEvery });
}

function numberOf(text: string, name: string): number {
  const value = Number(text.replaceAll(/[_,]/g, ''));
  if (!Number.isSafeInteger(value) || value < 0) throw new Error(`--${name} is a number, not "${text}"`);
  return value;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      seeds: { type: 'string', default: '100000' },
      seed: { type: 'string', default: '1' },
      keep: { type: 'string' },
    },
  });
  const first = numberOf(values.seed, 'seed');
  const seeds = numberOf(values.seeds, 'seeds');
  const step = Math.max(1, Math.min(availableParallelism(), seeds));
  const failures: Failure[] = [];
  const begun = performance.now();
  let done = 0;
  const threads: Worker[] = [];
  const shares = Array.from({ length: step }, (_, n): Share => ({ first: first + n, step, end: first + seeds }));
  await Promise.all(
    shares.map(
      (share) =>
        new Promise<void>((resolve, reject) => {
          const thread = new Worker(new URL(import.meta.url), { workerData: share });
          threads.push(thread);
          thread.on('message', (report: Report) => {
            if ('done' in report) done += report.done;
            else {
              failures.push(report.failure);
              print(report.failure, values.keep);
              if (failures.length >= failuresMax) for (const one of threads) void one.terminate();
            }
          });
          thread.on('error', reject);
          thread.on('exit', () => resolve());
        }),
    ),
  );
  const seconds = (performance.now() - begun) / 1000;
  const rate = Math.round(done / seconds);
  console.log(`${done} seeds from ${first}, ${failures.length} failures, ${seconds.toFixed(1)} s, ${rate} seeds/s`);
  return failures.length === 0 ? 0 : 1;
}

function print({ seed, message, commands }: Failure, folder: string | undefined): void {
  const text = `# Found by the simulation, seed ${seed}.\nwith quota=2\n\n${[...commands, 'settle'].join('\n')}\n----\n`;
  console.log(`seed ${seed}: ${message}\n\n${text}`);
  if (folder !== undefined) writeFileSync(join(folder, `seed-${seed}.txt`), text);
}

if (isMainThread) process.exitCode = await main();
else runShare(workerData as Share, (report) => parentPort?.postMessage(report)); // from main, in this file
