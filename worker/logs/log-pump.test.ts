import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { systemClock } from '#common/clock.ts';
import { silentLogger } from '#common/log.ts';
import { whenAborted } from '#common/waiting/abort.ts';
import { eventually } from '../../test/kit/eventually.ts';
import type { OutputBatch } from '../runtime/container-runtime.ts';
import { LogPump } from './log-pump.ts';
import { LogStore } from './log-store.ts';
import { createMasker } from './masking.ts';

let dir: string;
let store: LogStore;
let pump: LogPump;
/** The reads that have begun, each of which ends when it is answered. */
let reads: ((batch: OutputBatch) => void)[];
const { signal } = new AbortController();

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'log-pump-'));
  store = await LogStore.open(dir, systemClock);
  reads = [];
  const runtime = {
    readOutput: () => new Promise<OutputBatch>((resolve) => reads.push(resolve)),
    watchOutput: (_id: string, _ring: () => void, ended: AbortSignal) => whenAborted(ended),
  };
  pump = new LogPump('c1', {
    runtime,
    store,
    clock: systemClock,
    logger: silentLogger,
    masker: () => createMasker([]),
  });
});
afterEach(async () => {
  const stopped = pump.stop();
  for (const answer of reads) answer(batch());
  await stopped;
  await store.close();
  await rm(dir, { recursive: true });
});

const batch = (lines: readonly string[] = [], more = false): OutputBatch => ({
  lines: lines.map((text, index) => ({ timeNs: BigInt(index + 1), stream: 'stdout', text })),
  cursor: 'place',
  gap: false,
  more,
});
const begun = (count: number) =>
  eventually(
    'so many reads have begun',
    () => reads.length,
    (now) => now === count,
    { timeoutMs: 5000 },
  );

it('answers all who ask before a read has begun with that read, and none with one that had begun', async () => {
  await begun(1);
  const order: string[] = [];
  const drains = ['a', 'b', 'c'].map((name) => pump.drain(signal).then(() => order.push(name)));
  reads[0]?.(batch(['one']));
  await begun(2);
  expect(order).toEqual([]);
  reads[1]?.(batch(['two'], true));
  // There is more: nobody has all yet.
  await begun(3);
  expect(order).toEqual([]);
  reads[2]?.(batch(['three']));
  await Promise.all(drains);
  expect(order).toEqual(['a', 'b', 'c']);
  expect(store.nextSeq).toBe(4);
});

it('gives a drain up that is aborted, and keeps the read for the others', async () => {
  await begun(1);
  const abort = new AbortController();
  const given = pump.drain(abort.signal);
  const other = pump.drain(signal);
  abort.abort(new Error('given up'));
  await expect(given).rejects.toThrow('given up');
  reads[0]?.(batch());
  await begun(2);
  reads[1]?.(batch(['kept']));
  await other;
  expect(store.nextSeq).toBe(2);
});
