/** Secrets that are cut on their way: between two writes, two frames of the engine, two pieces of one very long line. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '#common/clock.ts';
import { silentLogger } from '#common/log.ts';
import type { OutputBatch, OutputLine } from '../runtime/container-runtime.ts';
import { createBuildReport } from '../runtime/docker/build-answer.ts';
import { parseOutputCursor, startCursor } from '../runtime/docker/output-cursor.ts';
import { createFrameParser } from '../runtime/docker/output-frames.ts';
import { createFrameReader } from '../runtime/docker/output-reader.ts';
import { lineMaxBytes } from '../runtime/output-lines.ts';
import { containerFiles } from '../runtime/process/layout.ts';
import { readLogs } from '../runtime/process/log-files.ts';
import { BotLog } from './bot-log.ts';
import { LogStream } from './log-entry.ts';
import { readLog } from './log-reader.ts';
import { createMasker } from './masking.ts';

let dir = '';
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'cut-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

/** As an engine frames a line: at most 16 KiB each, all with one timestamp; cut once more at `cut`. */
function framesOf(line: Buffer, cut: number): Buffer {
  const ends = new Set([cut, line.length]);
  for (let end = 16_384; end < line.length; end += 16_384) ends.add(end);
  const frames: Buffer[] = [];
  let from = 0;
  for (const end of [...ends].filter((at) => at > 0 && at <= line.length).sort((a, b) => a - b)) {
    const payload = Buffer.concat([Buffer.from('2026-11-22T15:00:00.000000001Z '), line.subarray(from, end)]);
    const head = Buffer.alloc(8);
    head[0] = 1;
    head.writeUInt32BE(payload.length, 4);
    frames.push(head, payload);
    from = end;
  }
  return Buffer.concat(frames);
}

/** Reads what the engine would send, look after look, one line or piece each; `piece` is how the network cuts it. */
function readDocker(sent: Buffer, piece: number): OutputLine[] {
  const lines: OutputLine[] = [];
  let cursor = startCursor;
  for (let more = true; more; ) {
    const reader = createFrameReader(cursor, () => 1);
    const parse = createFrameParser();
    for (let at = 0; at < sent.length; at += piece) {
      if (parse(sent.subarray(at, at + piece)).some((frame) => reader.push(frame))) break;
    }
    reader.end();
    const batch = reader.finish();
    lines.push(...batch.lines);
    cursor = parseOutputCursor(batch.cursor);
    more = batch.more;
  }
  return lines;
}

const masked = (lines: readonly OutputLine[], secrets: readonly string[]) => {
  const mask = createMasker(secrets);
  return lines.map(({ text, around }) => mask(text, around)).join('');
};

const secret = fc.oneof(
  fc.string({ minLength: 8, maxLength: 40 }).map((text) => text.replace(/[\r\n]/g, '_')),
  fc.string({ unit: 'grapheme', minLength: 8, maxLength: 20 }).map((text) => text.replace(/[\r\n]/g, '_')),
  fc.constantFrom('aaaaaaaa', 'abababab', `123456789:${'A'.repeat(35)}`, '$^.*+?()[]{}|\\/-'),
);

describe('a secret is not shown', () => {
  it('when a bot writes it in two parts, wherever it is cut', () => {
    fc.assert(
      fc.property(secret, fc.integer({ min: 1, max: 64 }), (value, piece) => {
        const line = Buffer.from(`before ${value} after\n`);
        const shown = createMasker([value])(line.toString().slice(0, -1));
        expect(shown).not.toContain(value);
        for (let cut = 0; cut <= line.length; cut += 1) {
          expect(masked(readDocker(framesOf(line, cut), piece), [value])).toBe(shown);
        }
      }),
      { numRuns: 60 },
    );
  });

  it('when a very long line is cut within it, wherever that is: Docker', () => {
    fc.assert(
      fc.property(secret, fc.boolean(), (value, twice) => {
        const bytes = Buffer.byteLength(value);
        for (let inside = 0; inside <= bytes; inside += 1) {
          const text = `${'.'.repeat(lineMaxBytes - inside)}${value}${twice ? value : ''}${'.'.repeat(70_000)}`;
          const lines = readDocker(framesOf(Buffer.from(`${text}\n`), 0), 65_536);
          expect(lines.length).toBeGreaterThan(2);
          expect(lines.map((line) => line.text).join('')).toBe(text);
          const shown = masked(lines, [value]);
          expect(shown).not.toContain(value);
          expect(shown === createMasker([value])(text)).toBe(true);
        }
      }),
      { numRuns: 6 },
    );
  });

  it('when a very long line is cut within it, wherever that is: processes', async () => {
    const files = containerFiles(dir);
    await writeFile(files.stderr, '');
    await fc.assert(
      fc.asyncProperty(secret, async (value) => {
        const bytes = Buffer.byteLength(value);
        for (let inside = 0; inside <= bytes; inside += 1) {
          const text = `${'.'.repeat(lineMaxBytes - inside)}${value}${'.'.repeat(70_000)}`;
          await writeFile(files.stdout, `first\n${text}\n`);
          const lines: OutputLine[] = [];
          let batch: OutputBatch | undefined;
          while (batch === undefined || batch.lines.length > 0) {
            batch = await readLogs(files, 'a'.repeat(12), batch?.cursor, 2, false);
            lines.push(...batch.lines);
          }
          expect(lines.map((line) => line.text).join('')).toBe(`first${text}`);
          expect(masked(lines, [value]) === `first${createMasker([value])(text)}`).toBe(true);
        }
      }),
      { numRuns: 4 },
    );
  });

  it('when a build prints it in two parts, or in a very long line', async () => {
    const context = {
      runtime: {
        readOutput: () => Promise.reject(new Error('none')),
        watchOutput: () => Promise.reject(new Error('none')),
      },
      clock: systemClock,
      logger: silentLogger,
    };
    const log = new BotLog(join(dir, 'log'), context);
    const value = 'p@ss"word\\яё-of-a-registry';
    log.setSecrets([value]);
    const length = Buffer.byteLength(value);
    for (let cut = 0; cut <= length; cut += 1) {
      const line = Buffer.from(`${'.'.repeat(lineMaxBytes - cut)}${value}!\n`);
      const at = lineMaxBytes - cut + cut;
      // The builder cuts anywhere, but never within a character: its report is JSON text.
      const whole = line.toString();
      const parts = [whole.slice(0, lineMaxBytes - cut), whole.slice(lineMaxBytes - cut)];
      const lines: string[] = [];
      const report = createBuildReport((text) => lines.push(text));
      const sent = Buffer.from(parts.map((stream) => `${JSON.stringify({ stream })}\r\n`).join(''));
      report.push(sent.subarray(0, at));
      report.push(sent.subarray(at));
      report.end();
      expect(lines).toHaveLength(1);
      await log.write(LogStream.BUILD, lines);
    }
    const signal = new AbortController().signal;
    let shown = '';
    for await (const batch of readLog(
      await log.store(),
      { lastLines: 10_000 },
      { follow: false, clock: systemClock, signal },
    )) {
      for (const { text } of batch) {
        expect(Buffer.byteLength(text)).toBeLessThanOrEqual(lineMaxBytes);
        shown += text;
      }
    }
    expect(shown.split('[masked]')).toHaveLength(length + 2);
    expect(shown).toMatch(/^[.!]*(\[masked\][.!]*)+$/);
    await log.close();
  });

  it('in what is said of a job that failed', () => {
    const log = new BotLog(dir, {
      runtime: {
        readOutput: () => Promise.reject(new Error('none')),
        watchOutput: () => Promise.reject(new Error('none')),
      },
      clock: systemClock,
      logger: silentLogger,
    });
    log.setSecrets(['hunter2hunter2']);
    const told = log.maskProblem({
      code: 'BUILD_FAILED',
      message: 'no hunter2hunter2',
      details: { output: ['x', { y: 'a hunter2hunter2 b' }], code: 1, none: null },
      hint: 'hunter2hunter2',
      example: null,
      retryable: false,
    });
    expect(told).toMatchObject({
      message: 'no [masked]',
      details: { output: ['x', { y: 'a [masked] b' }], code: 1, none: null },
      hint: '[masked]',
    });
  });
});
