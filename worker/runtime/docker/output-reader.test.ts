import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { OutputBatch } from '../container-runtime.ts';
import { formatOutputCursor, parseOutputCursor, startCursor } from './output-cursor.ts';
import { createFrameParser, parseTimeNs, sinceParameter } from './output-frames.ts';
import { createFrameReader, createTailReader, nextTail, readSinceNs } from './output-reader.ts';

interface Written {
  readonly timeNs: bigint;
  readonly stream: 'stdout' | 'stderr';
  readonly text: string;
}

const second = 1_000_000_000n;
const epoch = parseTimeNs('2026-01-02T03:04:05Z');

/** A log as the engine would answer: one or more frames for each line, those before `since` left out. */
function engineAnswer(log: readonly Written[], sinceNs: bigint | undefined): Buffer {
  const frames = log
    .filter(({ timeNs }) => timeNs >= (sinceNs ?? 0n))
    .flatMap(({ timeNs, stream, text }) => {
      const bytes = Buffer.from(`${text}\n`);
      const stamp = `${new Date(Number(timeNs / second) * 1000).toISOString().slice(0, 19)}.${sinceParameter(timeNs).split('.')[1]}Z `;
      const parts: Buffer[] = [];
      for (let at = 0; at < bytes.length; at += 16_384) {
        const payload = Buffer.concat([Buffer.from(stamp), bytes.subarray(at, at + 16_384)]);
        const header = Buffer.from([stream === 'stdout' ? 1 : 2, 0, 0, 0, 0, 0, 0, 0]);
        header.writeUInt32BE(payload.length, 4);
        parts.push(header, payload);
      }
      return parts;
    });
  return Buffer.concat(frames);
}

/** One look, as the runtime does it; the answer arrives in pieces. */
function look(
  log: readonly Written[],
  cursor: string | undefined,
  options: { maxBytes?: number; piece?: number; nowNs?: bigint } = {},
): OutputBatch {
  const { maxBytes = 1_000_000, piece = 777, nowNs = epoch * 2n } = options;
  const from = cursor === undefined ? startCursor : parseOutputCursor(cursor);
  const reader = createFrameReader(from, () => maxBytes);
  const parse = createFrameParser();
  const answer = engineAnswer(log, readSinceNs(from, nowNs));
  for (let at = 0; at < answer.length; at += piece) {
    for (const frame of parse(answer.subarray(at, at + piece))) if (reader.push(frame)) return reader.finish();
  }
  reader.end();
  return reader.finish();
}

const texts = (batch: OutputBatch) => batch.lines.map((line) => line.text);
const line = (offsetNs: bigint, text: string, stream: Written['stream'] = 'stdout'): Written => ({
  timeNs: epoch + offsetNs,
  stream,
  text,
});

describe('the reader of a container log', () => {
  test('gives every line once, whatever the batch size, the pieces and the order of times in the file', () => {
    const written = fc.array(
      fc.record({
        // Steps backward are shorter than the overlap; equal times are frequent.
        step: fc.constantFrom(0n, 0n, 1n, 1000n, -1000n, -50_000_000n, 60_000_000n, second),
        stream: fc.constantFrom('stdout' as const, 'stderr' as const),
        text: fc.oneof(fc.constantFrom('', 'same', 'same'), fc.string(), fc.constant('x'.repeat(17_000))),
      }),
      { maxLength: 20 },
    );
    fc.assert(
      fc.property(written, fc.integer({ min: 200, max: 20_000 }), fc.array(fc.nat(6)), (steps, piece, growth) => {
        let timeNs = epoch;
        let highest = epoch;
        const log = steps.map(({ step, stream, text }) => {
          timeNs += step;
          // Two lines with a later one between them are at most the overlap apart.
          if (timeNs < highest - 100_000_000n) timeNs = highest - 100_000_000n;
          if (timeNs > highest) highest = timeNs;
          return { timeNs, stream, text: text.replace(/[\r\n]/g, '') };
        });
        const got: string[] = [];
        let cursor: string | undefined;
        let size = 0;
        for (const more of [...growth, log.length]) {
          size = Math.min(log.length, size + more);
          for (let batch = look(log.slice(0, size), cursor, { maxBytes: 100, piece }); ; ) {
            expect(batch.gap).toBe(false);
            got.push(...texts(batch));
            cursor = batch.cursor;
            if (!batch.more) break;
            batch = look(log.slice(0, size), cursor, { maxBytes: 100, piece });
          }
        }
        expect(got).toEqual(log.map(({ text }) => text));
      }),
      { numRuns: 150 },
    );
  });

  test('gives the same from the last lines of the log, however many, or nothing', () => {
    const printed = fc.record({
      stepNs: fc.constantFrom(0n, 2n, 1000n, 60_000_000n, second),
      stream: fc.constantFrom('stdout' as const, 'stderr' as const),
      lateNs: fc.constantFrom(0n, 0n, 100n, 150_000_000n),
      text: fc.oneof(fc.constantFrom('', 'same', 'same'), fc.constant('x'.repeat(17_000))),
    });
    let found = 0;
    fc.assert(
      fc.property(fc.array(printed, { maxLength: 30 }), fc.nat(29), fc.nat(29), (lines, read, tail) => {
        let timeNs = epoch;
        const stamped = lines.map(({ stepNs, stream, lateNs, text }) => {
          timeNs += stepNs;
          // Never the same nanosecond in both streams.
          return { timeNs: stream === 'stdout' ? timeNs : timeNs + 1n, stream, text, fileNs: timeNs + lateNs };
        });
        // A line may come into the file late, but not behind a later one of its stream.
        const fileNs = { stdout: 0n, stderr: 0n };
        for (const one of stamped) {
          if (one.fileNs < fileNs[one.stream]) one.fileNs = fileNs[one.stream];
          fileNs[one.stream] = one.fileNs;
        }
        const log = stamped.toSorted((a, b) => (a.fileNs < b.fileNs ? -1 : a.fileNs > b.fileNs ? 1 : 0));
        const { cursor } = look(log.slice(0, read), undefined);
        const parsed = parseOutputCursor(cursor);
        fc.pre(parsed.ordinal > 0);
        const reader = createTailReader(parsed, () => 1_000_000);
        const frames = createFrameParser()(engineAnswer(log, undefined)).slice(-tail - 1);
        for (const frame of frames) expect(reader.push(frame)).toBe(false);
        if (reader.isSearching()) return;
        found += 1;
        const batch = reader.finish();
        const whole = look(log, cursor);
        if (!batch.more) expect(batch).toEqual(whole);
        // It ended before a line whose number it could not know.
        expect(batch.gap).toBe(false);
        const rest = batch.more ? look(log, batch.cursor).lines : [];
        expect([...batch.lines, ...rest]).toEqual(whole.lines);
      }),
      { numRuns: 150 },
    );
    expect(found).toBeGreaterThan(5);
  });

  test('concludes nothing from last lines that do not hold its place, or hold it first', () => {
    const log = Array.from({ length: 20 }, (_, n) => line(BigInt(n) * second + 1n, `line ${n}`));
    const { cursor } = look(log.slice(0, 10), undefined);
    const searching = [5, 10, 11, 12].map((tail) => {
      const reader = createTailReader(parseOutputCursor(cursor), () => 1_000_000);
      for (const frame of createFrameParser()(engineAnswer(log.slice(-tail), undefined))) reader.push(frame);
      return reader.isSearching();
    });
    expect(searching).toEqual([true, true, true, false]);
  });

  test('looks at as many more of the last lines as its place is away, within three to ten times', () => {
    const at = (ms: number) => epoch + BigInt(ms) * 1_000_000n;
    // 100 frames were printed in 10 ms; the place is 40 ms back.
    expect(nextTail(100, at(990), at(960), at(1000))).toBe(500);
    expect(nextTail(100, at(990), at(985), at(1000))).toBe(300);
    expect(nextTail(100, at(990), at(0), at(1000))).toBe(1000);
    // All of one moment, or the clock was set back.
    expect(nextTail(100, at(1000), at(0), at(1000))).toBe(300);
    expect(nextTail(100, at(1000), at(5000), at(990))).toBe(300);
  });

  test('reports a gap once when the line it stood at was rotated away', () => {
    const log = [line(0n, 'a'), line(second, 'b'), line(2n * second, 'c'), line(3n * second, 'd')];
    const { cursor } = look(log.slice(0, 2), undefined);
    const after = look(log.slice(2), cursor);
    expect([texts(after), after.gap]).toEqual([['c', 'd'], true]);
    const again = look(log.slice(2), after.cursor);
    expect([texts(again), again.gap]).toEqual([[], false]);
  });

  test('reports a gap when another line stands where its line stood', () => {
    const { cursor } = look([line(0n, 'a'), line(0n, 'b')], undefined);
    const after = look([line(0n, 'b'), line(0n, 'c'), line(1n, 'd')], cursor);
    expect([texts(after), after.gap]).toEqual([['c', 'd'], true]);
    const again = look([line(0n, 'b'), line(0n, 'c'), line(1n, 'd')], after.cursor);
    expect([texts(again), again.gap]).toEqual([[], false]);
  });

  test('reports the gap of an emptied log once, and continues with what comes later', () => {
    const { cursor } = look([line(0n, 'a')], undefined);
    const emptied = look([], cursor);
    expect([texts(emptied), emptied.gap]).toEqual([[], true]);
    const later = look([line(5n, 'b')], emptied.cursor);
    expect([texts(later), later.gap]).toEqual([['b'], false]);
  });

  test('continues after the wall clock was set back', () => {
    const log = [line(3600n * second, 'before'), line(0n, 'after 1'), line(second, 'after 2')];
    const { cursor } = look(log.slice(0, 1), undefined);
    const after = look(log, cursor, { nowNs: epoch + 2n * second });
    expect([texts(after), after.gap]).toEqual([['after 1', 'after 2'], false]);
    const next = look([...log, line(2n * second, 'after 3')], after.cursor, { nowNs: epoch + 3n * second });
    expect([texts(next), next.gap]).toEqual([['after 3'], false]);
  });

  test('takes the answer in pieces of one byte', () => {
    const log = [line(0n, 'a'), line(1n, 'я', 'stderr')];
    expect(texts(look(log, undefined, { piece: 1 }))).toEqual(['a', 'я']);
  });

  test('joins the parts of a long line, also with lines of the other stream between them', () => {
    const long = 'y'.repeat(50_000);
    const parts = engineAnswer([line(0n, long)], undefined);
    const other = engineAnswer([line(1n, 'other', 'stderr')], undefined);
    const reader = createFrameReader(startCursor, () => 1_000_000);
    const parse = createFrameParser();
    const firstFrame = 8 + parts.readUInt32BE(4);
    const mixed = Buffer.concat([parts.subarray(0, firstFrame), other, parts.subarray(firstFrame)]);
    for (const frame of parse(mixed)) reader.push(frame);
    expect(reader.finish().lines.map(({ stream, text }) => [stream, text.length])).toEqual([
      ['stderr', 5],
      ['stdout', 50_000],
    ]);
  });

  test('keeps a line that has not ended for later while the container runs, and gives it out once it has ended', () => {
    const bytes = engineAnswer([line(0n, 'a'), line(1n, 'z'.repeat(20_000))], undefined);
    const whole = 8 + bytes.readUInt32BE(4);
    const begun = bytes.subarray(0, whole + 8 + bytes.readUInt32BE(whole + 4));
    const read = (ended: boolean) => {
      const reader = createFrameReader(startCursor, () => 1_000_000);
      for (const frame of createFrameParser()(begun)) reader.push(frame);
      expect(reader.hasUnfinished()).toBe(true);
      if (ended) reader.end();
      return texts(reader.finish()).map((text) => text.length);
    };
    expect(read(false)).toEqual([1]);
    expect(read(true)).toEqual([1, 16_384]);
  });

  test('cuts a line without an end as it comes', () => {
    const batch = look([line(0n, 'w'.repeat(200_000))], undefined, { maxBytes: 1 });
    expect([batch.lines.length, batch.more]).toEqual([1, true]);
    const rest = look([line(0n, 'w'.repeat(200_000))], batch.cursor);
    expect([...texts(batch), ...texts(rest)].join('').length).toBe(200_000);
  });
});

describe('the log stream of the engine', () => {
  test('is refused when it is something else', () => {
    expect(() => createFrameParser()(Buffer.from('plain text of a terminal'))).toThrow('unknown stream');
    expect(() => createFrameParser()(Buffer.from([1, 0, 0, 0, 0xff, 0, 0, 0]))).toThrow('a log frame of');
    expect(() => createFrameParser()(Buffer.from([1, 0, 0, 0, 0, 0, 0, 2, 0x61, 0x62]))).toThrow('without a timestamp');
  });

  test.each([
    ['2026-01-02T03:04:05.123456789Z', 1767323045123456789n],
    ['2026-01-02T03:04:05.1Z', 1767323045100000000n],
    ['2026-01-02T05:04:05+02:00', 1767323045000000000n],
  ])('has times such as %s', (text, timeNs) => {
    expect(parseTimeNs(text)).toBe(timeNs);
  });

  test('takes back a time at full precision', () => {
    expect(sinceParameter(1767323045000000007n)).toBe('1767323045.000000007');
  });
});

describe('a cursor', () => {
  test('reads back as written', () => {
    const cursor = { timeNs: 1767323045123456789n, ordinal: 3, hash: 'abc-_DEF012' };
    expect(parseOutputCursor(formatOutputCursor(cursor))).toEqual(cursor);
  });

  test.each(['', 'x', 'd1:1:2', 'd1:-1:0:', 'd1:1:0:a\n', 'p1:0:0:0'])('%j is refused', (text) => {
    expect(() => parseOutputCursor(text)).toThrow(
      expect.objectContaining({ problem: expect.objectContaining({ code: 'INVALID_CURSOR' }) }),
    );
  });
});
