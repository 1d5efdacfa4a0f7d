import { mkdtemp, rm, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '#common/clock.ts';
import { LogStream, type NewEntry, type StoredEntry } from './log-entry.ts';
import { createLogFilter } from './log-filter.ts';
import { entryBytes, type PageQuery, readPage } from './log-page.ts';
import { LogStore } from './log-store.ts';

let dir = '';
let store: LogStore;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'page-'));
  store = await LogStore.open(dir, systemClock, { maxBytes: 1e9, maxAgeMs: 1e12, segmentBytes: 2000 });
});
afterEach(async () => {
  await store.close();
  await rm(dir, { recursive: true, force: true });
});

const second = 1_000_000_000n;
const entry = (n: number, stream = LogStream.STDOUT): NewEntry => ({
  timeNs: BigInt(n) * second,
  stream,
  text: `line ${n}`,
});

async function page(query: Partial<PageQuery>) {
  const options = { clock: systemClock, signal: new AbortController().signal };
  const reading = readPage(store, { from: { all: true }, filter: {}, maxBytes: 0, ...query }, options);
  const entries: StoredEntry[] = [];
  let next = await reading.next();
  for (; !next.done; next = await reading.next()) entries.push(...next.value);
  return { texts: entries.map(({ text }) => text), lastSeq: next.value };
}

async function print(count: number, stream?: LogStream): Promise<void> {
  for (let n = store.nextSeq; count > 0; n += 1, count -= 1) await store.append([entry(n, stream)]);
}

describe('a page of a log', () => {
  it('is the last lines, up to the end', async () => {
    await print(100);
    expect(await page({ from: { lastLines: 3 } })).toEqual({
      texts: ['line 98', 'line 99', 'line 100'],
      lastSeq: 100,
    });
  });

  it('is the last lines that pass the filter, not those that pass among the last lines', async () => {
    await print(100);
    const filter = { grep: '7' };
    expect(await page({ from: { lastLines: 3 }, filter })).toEqual({
      texts: ['line 79', 'line 87', 'line 97'],
      lastSeq: 100,
    });
    expect(await page({ from: { lastLines: 1000 }, filter: { grep: 'nothing' } })).toEqual({ texts: [], lastSeq: 100 });
  });

  it('has only lines between two times, both included', async () => {
    await print(100);
    const filter = { sinceNs: 40n * second, untilNs: 42n * second };
    expect((await page({ filter })).texts).toEqual(['line 40', 'line 41', 'line 42']);
    expect((await page({ from: { lastLines: 1 }, filter })).texts).toEqual(['line 42']);
  });

  it('does not open segments that are older than asked for', async () => {
    await print(100);
    const old = new Date(1000);
    for (const segment of store.segments.slice(0, -1)) {
      segment.newestMs = 1000;
      await utimes(segment.path, old, old);
      // A reader of it would see a gap.
      await rm(segment.path);
    }
    const { texts } = await page({ filter: { sinceNs: 99n * second + BigInt(Date.now()) * 0n } });
    expect(texts.at(-1)).toBe('line 100');
    expect(texts.every((text) => text.startsWith('line'))).toBe(true);
  });

  it('has only output of builds, and gaps, when that is asked for', async () => {
    await print(2);
    await print(1, LogStream.BUILD);
    await print(1, LogStream.SYSTEM);
    await print(1, LogStream.GAP);
    expect((await page({ filter: { buildOnly: true, grep: '3' } })).texts).toEqual(['line 3', 'line 5']);
  });

  it('ends at its bound, and the next ones continue there, whatever the bound and the filter', async () => {
    await print(120);
    const bound = fc.integer({ min: 1, max: 20 * (entryBytes + 8) });
    await fc.assert(
      fc.asyncProperty(bound, fc.constantFrom('', '1', '11', 'none'), async (maxBytes, grep) => {
        const wanted = createLogFilter({ grep });
        const texts: string[] = [];
        let afterSeq = 0;
        for (let pages = 0; afterSeq < 120; pages += 1) {
          expect(pages).toBeLessThan(121);
          const one = await page({ from: { afterSeq, sameLog: true }, filter: { grep }, maxBytes });
          expect(one.texts.length * entryBytes).toBeLessThan(maxBytes + entryBytes);
          expect(one.lastSeq).toBeGreaterThan(afterSeq);
          texts.push(...one.texts);
          afterSeq = one.lastSeq;
        }
        const all = Array.from({ length: 120 }, (_, index) => entry(index + 1));
        expect(texts).toEqual((wanted ? all.filter(wanted) : all).map(({ text }) => text));
      }),
      { numRuns: 30 },
    );
  });

  it('of an empty log is empty and says so', async () => {
    expect(await page({ from: { lastLines: 5 } })).toEqual({ texts: [], lastSeq: 0 });
  });

  it('after a place that is not there yet says where the log really ends', async () => {
    await print(3);
    expect(await page({ from: { afterSeq: 9, sameLog: true } })).toEqual({ texts: [], lastSeq: 3 });
  });

  it('after a place in another log begins with a gap and is all there is', async () => {
    await print(2);
    const { texts, lastSeq } = await page({ from: { afterSeq: 1, sameLog: false } });
    expect(texts).toEqual([expect.stringContaining('starts over'), 'line 1', 'line 2']);
    expect(lastSeq).toBe(2);
  });
});

describe('a batch', () => {
  it('is cut to what fits a message, however large the record', async () => {
    await store.append(Array.from({ length: 20_000 }, (_, n) => entry(n)));
    const options = { clock: systemClock, signal: new AbortController().signal };
    let seen = 0;
    for await (const batch of readPage(store, { from: { all: true }, filter: {}, maxBytes: 0 }, options)) {
      expect(batch.reduce((sum, { text }) => sum + text.length + 40, 0)).toBeLessThanOrEqual(64 * 1024 + 100);
      seen += batch.length;
    }
    expect(seen).toBe(20_000);
  });
});
