import { appendFile, mkdtemp, readdir, readFile, rm, stat, truncate, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '#common/clock.ts';
import { createManualClock } from '../../test/kit/manual-clock.ts';
import { LogStream, type NewEntry, type StoredEntry } from './log-entry.ts';
import { type ReadFrom, readLog } from './log-reader.ts';
import { defaultLogLimits, type LogLimits, LogStore } from './log-store.ts';

let dir = '';
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'log-store-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const line = (text: string): NewEntry => ({ timeNs: 1n, stream: LogStream.STDOUT, text });
const everything: ReadFrom = { afterSeq: 0, sameLog: true };
const never = new AbortController().signal;
const small: LogLimits = { ...defaultLogLimits, segmentBytes: 300 };

async function readAll(store: LogStore, from: ReadFrom = everything): Promise<StoredEntry[]> {
  const entries: StoredEntry[] = [];
  for await (const batch of readLog(store, from, { follow: false, clock: systemClock, signal: never })) {
    entries.push(...batch);
  }
  return entries;
}

const texts = (entries: readonly StoredEntry[]) => entries.map(({ text }) => text);
const segmentsIn = async () => (await readdir(dir)).filter((name) => name.endsWith('.log')).sort();

describe('a log store', () => {
  it('keeps entries in order with their numbers, over segments and restarts', async () => {
    const store = await LogStore.open(dir, systemClock, small);
    const [first] = await store.append([line('a'), line('b')]);
    expect(first?.seq).toBe(1);
    for (let n = 0; n < 50; n += 1) await store.append([line(`line ${n} ü \n in`)]);
    await store.close();
    const again = await LogStore.open(dir, systemClock, small);
    const entries = await readAll(again);
    expect(entries.map(({ seq }) => seq)).toEqual(Array.from({ length: 52 }, (_, index) => index + 1));
    expect(entries.at(-1)).toEqual({ seq: 52, timeNs: 1n, stream: LogStream.STDOUT, text: 'line 49 ü \n in' });
    expect((await segmentsIn()).length).toBeGreaterThan(5);
    expect(again.id).toBe(store.id);
    await again.close();
  });

  it('writes all appends of one tick at once, in order', async () => {
    const store = await LogStore.open(dir, systemClock);
    let writes = 0;
    store.onChange(() => {
      writes += 1;
    });
    await Promise.all(Array.from({ length: 100 }, (_, n) => store.append([line(String(n))])));
    expect(writes).toBe(1);
    expect(texts(await readAll(store))).toEqual(Array.from({ length: 100 }, (_, n) => String(n)));
    await store.close();
  });

  it('gives the last lines, and continues after a cursor', async () => {
    const store = await LogStore.open(dir, systemClock, small);
    for (let n = 1; n <= 30; n += 1) await store.append([line(String(n))]);
    expect(texts(await readAll(store, { lastLines: 3 }))).toEqual(['28', '29', '30']);
    expect(texts(await readAll(store, { lastLines: 500 }))).toHaveLength(30);
    expect(texts(await readAll(store, { afterSeq: 28, sameLog: true }))).toEqual(['29', '30']);
    expect(await readAll(store, { afterSeq: 30, sameLog: true })).toEqual([]);
    await store.close();
  });

  it('says so when the place to continue from is gone, or is of another log', async () => {
    const store = await LogStore.open(dir, systemClock, { ...small, maxBytes: 1000 });
    for (let n = 1; n <= 60; n += 1) await store.append([line(String(n))]);
    await store.dropOld();
    expect(store.firstSeq).toBeGreaterThan(20);
    const after = await readAll(store, { afterSeq: 5, sameLog: true });
    expect(after[0]).toMatchObject({ stream: LogStream.GAP, seq: store.firstSeq - 1 });
    expect(after[0]?.text).toBe(`${store.firstSeq - 6} lines are missing here; they are no longer kept`);
    expect(after[1]).toMatchObject({ seq: store.firstSeq, text: String(store.firstSeq) });
    // A reader that continues after the gap gets no line twice and no second gap.
    const resumed = await readAll(store, { afterSeq: after[0]?.seq ?? 0, sameLog: true });
    expect(resumed).toEqual(after.slice(1));
    const foreign = await readAll(store, { afterSeq: 59, sameLog: false });
    expect(foreign[0]).toMatchObject({ stream: LogStream.GAP });
    expect(texts(foreign.slice(1))).toEqual(texts(after.slice(1)));
    await store.close();
  });

  it('keeps about 50 MiB of a bot that floods, and 7 days of one that does not', async () => {
    expect(defaultLogLimits).toMatchObject({ maxBytes: 50 * 1024 ** 2, maxAgeMs: 7 * 24 * 3_600_000 });
    const store = await LogStore.open(dir, systemClock);
    const batch = Array.from({ length: 1000 }, () => line('x'.repeat(1000)));
    for (let n = 0; n < 70; n += 1) await store.append(batch);
    await store.dropOld();
    const sizes = await Promise.all((await segmentsIn()).map(async (name) => (await stat(join(dir, name))).size));
    const total = sizes.reduce((sum, size) => sum + size, 0);
    expect(total).toBeLessThanOrEqual(50 * 1024 ** 2);
    expect(total).toBeGreaterThan(45 * 1024 ** 2);
    expect(store.nextSeq).toBe(70_001);
    await store.close();
  });

  it('takes back all of a long batch whose end a crash tore off, with its mark', async () => {
    const store = await LogStore.open(dir, systemClock);
    await store.append([line('before')], { containerId: 'c', cursor: '1' });
    const [name = ''] = await segmentsIn();
    const { size } = await stat(join(dir, name));
    await store.append(
      Array.from({ length: 8 }, () => line('y'.repeat(40_000))),
      { containerId: 'c', cursor: '9' },
    );
    await store.close();
    const whole = await readFile(join(dir, name));
    expect(whole.subarray(size).filter((byte) => byte === 10).length).toBeGreaterThan(3);
    for (const left of [whole.length - 1, whole.length - 50_000, size + 100_000, size + 3]) {
      await writeFile(join(dir, name), whole.subarray(0, left));
      const torn = await LogStore.open(dir, systemClock);
      expect(torn.mark).toEqual({ containerId: 'c', cursor: '1' });
      expect(texts(await readAll(torn))).toEqual(['before']);
      await torn.close();
    }
  });

  it('drops the oldest segments beyond its size, and old ones by age, but never its mark', async () => {
    const clock = createManualClock({ wallMs: Date.now() });
    const limits = { ...small, maxBytes: 1500 };
    const store = await LogStore.open(dir, clock, limits);
    for (let n = 0; n < 100; n += 1) await store.append([line(`line ${n}`)], { containerId: 'c', cursor: String(n) });
    await store.dropOld();
    const bytes = await Promise.all((await segmentsIn()).map(async (name) => (await stat(join(dir, name))).size));
    expect(bytes.reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(1500 + small.segmentBytes);
    clock.advance(limits.maxAgeMs + 1);
    await store.dropOld();
    expect(await readAll(store)).toMatchObject([{ stream: LogStream.GAP }]);
    await store.close();
    const again = await LogStore.open(dir, clock, limits);
    expect(again.mark).toEqual({ containerId: 'c', cursor: '99' });
    expect(again.nextSeq).toBe(101);
    expect((await again.append([line('next')]))[0]?.seq).toBe(101);
    await again.close();
  });

  it('keeps its mark when a crash tore it off the newest segment and older ones are dropped after', async () => {
    const mark = { containerId: 'c', cursor: '7' };
    const store = await LogStore.open(dir, systemClock, small);
    await store.append([line('x'.repeat(400))], mark);
    await store.append([line('y')]);
    await store.close();
    const [first = '', second = ''] = await segmentsIn();
    await truncate(join(dir, second), 5);
    const torn = await LogStore.open(dir, systemClock, small);
    await torn.append([line('z')]);
    await torn.close();
    await rm(join(dir, first));
    const again = await LogStore.open(dir, systemClock, small);
    expect(again.mark).toEqual(mark);
    await again.close();
  });

  it('shows a damaged record as a gap and continues after it', async () => {
    const store = await LogStore.open(dir, systemClock);
    for (const text of ['one', 'two', 'three']) await store.append([line(text)]);
    await store.close();
    const path = join(dir, (await segmentsIn())[0] ?? '');
    await writeFile(path, (await readFile(path, 'utf8')).replace('two', 'twX'));
    const again = await LogStore.open(dir, systemClock);
    expect(texts(await readAll(again))).toEqual(['one', '1 lines are missing here; they are no longer kept', 'three']);
    await again.close();
  });

  it('keeps nothing of an append that failed, and continues when it can', async () => {
    const store = await LogStore.open(dir, systemClock);
    await store.append([line('before')]);
    await store.close();
    const again = await LogStore.open(dir, systemClock);
    await rm(dir, { recursive: true });
    await expect(again.append([line('lost')], { containerId: 'c', cursor: '1' })).rejects.toThrow('ENOENT');
    expect(again.nextSeq).toBe(2);
    expect(again.mark).toBeUndefined();
    await again.close();
  });

  it('refuses appends once closed and deletes everything when removed', async () => {
    const store = await LogStore.open(dir, systemClock);
    await store.append([line('x')]);
    await store.remove();
    await expect(store.append([line('y')])).rejects.toThrow('closed');
    await expect(readdir(dir)).rejects.toThrow('ENOENT');
  });

  it('deletes by age what an earlier process left', async () => {
    const store = await LogStore.open(dir, systemClock, small);
    for (let n = 0; n < 30; n += 1) await store.append([line(`line ${n}`)]);
    await store.close();
    const old = new Date(Date.now() - 8 * 24 * 3600 * 1000);
    for (const name of (await segmentsIn()).slice(0, -1)) await utimes(join(dir, name), old, old);
    const again = await LogStore.open(dir, systemClock, small);
    expect(await segmentsIn()).toHaveLength(1);
    await again.close();
  });
});

describe('output moved with its mark', () => {
  type Happening = { move: number } | 'restart' | { tear: number } | 'other';
  const happening: fc.Arbitrary<Happening> = fc.oneof(
    fc.nat(7).map((n) => ({ move: n + 1 })),
    fc.constant<Happening>('restart'),
    fc.constant<Happening>('other'),
    fc.integer({ min: 1, max: 400 }).map((tear) => ({ tear })),
  );

  it('is there once and in order, whatever restarts and torn ends come between', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(happening, { maxLength: 40 }), async (happenings) => {
        await rm(dir, { recursive: true, force: true });
        let store = await LogStore.open(dir, systemClock, small);
        const move = async (count: number) => {
          const from = store.mark ? Number(store.mark.cursor) : 0;
          const lines = Array.from({ length: count }, (_, n) => line(`out ${from + n}`));
          await store.append(lines, { containerId: 'c', cursor: String(from + count) });
        };
        for (const next of happenings) {
          if (next === 'other') await store.append([{ ...line('the platform says'), stream: LogStream.SYSTEM }]);
          else if (next === 'restart') {
            await store.close();
            store = await LogStore.open(dir, systemClock, small);
          } else if ('move' in next) await move(next.move);
          else {
            await store.close();
            await tearNewest(next.tear);
            store = await LogStore.open(dir, systemClock, small);
          }
        }
        await move(1);
        const entries = await readAll(store);
        const printed = entries.filter(({ stream }) => stream === LogStream.STDOUT);
        expect(texts(printed)).toEqual(printed.map((_, index) => `out ${index}`));
        expect(printed).toHaveLength(Number(store.mark?.cursor));
        expect(entries.map(({ seq }) => seq)).toEqual(entries.map((_, index) => index + 1));
        await store.close();
      }),
      { numRuns: 200 },
    );
  });

  /** What a crash may leave of the newest file: less of it, and then maybe rubbish. */
  async function tearNewest(bytes: number): Promise<void> {
    const newest = (await segmentsIn()).at(-1);
    if (newest === undefined) return;
    const path = join(dir, newest);
    const { size } = await stat(path);
    await truncate(path, Math.max(0, size - bytes));
    if (bytes % 3 === 0) await appendFile(path, '\0\0{"f":1');
  }
});

describe('following a log', () => {
  it('delivers what is appended, in batches, until the log is closed', async () => {
    const store = await LogStore.open(dir, systemClock);
    await store.append([line('0')]);
    const got: string[] = [];
    let batches = 0;
    const reading = (async () => {
      const options = { follow: true, clock: systemClock, signal: never };
      for await (const batch of readLog(store, everything, options)) {
        batches += 1;
        got.push(...texts(batch));
      }
    })();
    for (let n = 1; n <= 500; n += 1) await store.append([line(String(n))]);
    await store.append([line('end')]);
    await new Promise((resolve) => setImmediate(resolve));
    await store.close();
    await reading;
    expect(got).toEqual([...Array.from({ length: 501 }, (_, n) => String(n)), 'end']);
    expect(batches).toBeLessThan(100);
  });

  it('lets a stalled reader continue with a gap where segments were dropped meanwhile', async () => {
    const store = await LogStore.open(dir, systemClock, { ...small, maxBytes: 900 });
    for (let n = 0; n < 5; n += 1) await store.append([line(String(n))]);
    const abort = new AbortController();
    const options = { follow: true, clock: systemClock, signal: abort.signal };
    const reader = readLog(store, everything, options)[Symbol.asyncIterator]();
    const first = await reader.next();
    expect(first.value?.[0]).toMatchObject({ text: '0' });
    for (let n = 5; n < 79; n += 1) await store.append([line(String(n))]);
    // More than is kept in memory of what was written last.
    await store.append([line('x'.repeat(1024 * 1024))]);
    await store.append([line('79')]);
    await store.dropOld();
    const seen: StoredEntry[] = [...(first.value ?? [])];
    while (seen.at(-1)?.text !== '79') {
      const next = await reader.next();
      seen.push(...(next.value ?? []));
    }
    const gaps = seen.filter(({ stream }) => stream === LogStream.GAP);
    expect(gaps).toHaveLength(1);
    const missing = Number(/^\d+/.exec(gaps[0]?.text ?? '')?.[0]);
    expect(seen.length - 1 + missing).toBe(81);
    abort.abort();
    expect((await reader.next()).done).toBe(true);
  });
});
