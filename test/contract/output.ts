/** The part of the contract suite about what bots print. */
import { describe, expect, test } from 'vitest';
import { ProblemError } from '#common/problem.ts';
import { eventually } from '../kit/eventually.ts';
import type { SuiteContext } from './container-runtime.ts';
import { patience, readAll, second, textsOf, untilExited, untilPrinted } from './harness.ts';

export function describeOutput(suite: SuiteContext): void {
  describe('output', () => {
    test('comes line by line with its stream and a plausible time', async () => {
      const begin = Date.now();
      const id = await suite.run({
        steps: [
          ['print', 'one'],
          ['printError', 'two'],
          ['print', ''],
          ['print', 'three'],
          ['exit', 0],
        ],
      });
      await untilExited(suite.runtime, id);
      const { lines, gaps } = await readAll(suite.runtime, id);
      expect(textsOf(lines.filter(({ stream }) => stream === 'stdout'))).toEqual(['one', '', 'three']);
      expect(textsOf(lines.filter(({ stream }) => stream === 'stderr'))).toEqual(['two']);
      for (const { timeNs } of lines) {
        expect(Number(timeNs / 1_000_000n)).toBeGreaterThan(begin - second);
        expect(Number(timeNs / 1_000_000n)).toBeLessThan(Date.now() + second);
      }
      expect(gaps).toBe(0);
    });

    test('of a bot that printed nothing is empty, and its cursor leads to what comes later', async () => {
      const id = await suite.run();
      const empty = await suite.runtime.readOutput(id, undefined, 1000, patience());
      expect(empty).toMatchObject({ lines: [], gap: false, more: false });
      await suite.runtime.stop(id, 20 * second, patience());
      await suite.runtime.start(id, patience());
      await suite.runtime.stop(id, 20 * second, patience());
      const { lines, gaps } = await readAll(suite.runtime, id, empty.cursor);
      expect(gaps).toBe(0);
      // A bot that is stopped before it handles SIGTERM ends without a word.
      for (const text of textsOf(lines)) expect(text).toBe('got SIGTERM');
    });

    test('is complete and without repetition in batches of any size, while the bot prints', async () => {
      const total = 20_000;
      const id = await suite.run({
        steps: [
          ['count', total],
          ['print', 'done'],
        ],
      });
      const texts: string[] = [];
      let cursor: string | undefined;
      let gaps = 0;
      await eventually(
        'all lines were read',
        async () => {
          for (const maxBytes of [1, 500, 40_000, 1_000_000]) {
            const batch = await suite.runtime.readOutput(id, cursor, maxBytes, patience());
            texts.push(...textsOf(batch.lines));
            cursor = batch.cursor;
            if (batch.gap) gaps += 1;
          }
          return texts.at(-1);
        },
        (last) => last === 'done',
        { timeoutMs: 60 * second },
      );
      expect(gaps).toBe(0);
      expect(texts).toHaveLength(total + 1);
      expect(texts.slice(0, -1).findIndex((text, index) => text !== `line ${index}`)).toBe(-1);
    });

    test('continues at a cursor across a stop, a start and a new runtime, with no gap and no repetition', async () => {
      const id = await suite.run({
        steps: [
          ['print', 'hello'],
          ['printError', 'problem'],
          ['print', 'ready'],
        ],
      });
      await untilPrinted(suite.runtime, id, 'ready');
      const first = await readAll(suite.runtime, id);
      await suite.runtime.stop(id, 20 * second, patience());
      await suite.runtime.start(id, patience());
      const later = suite.harness.runtime({ workerId: suite.workerId });
      let { cursor } = first;
      const texts: string[] = [];
      let gaps = 0;
      await eventually(
        'the second run is ready',
        async () => {
          const next = await readAll(later, id, cursor);
          texts.push(...textsOf(next.lines));
          gaps += next.gaps;
          cursor = next.cursor;
          return texts;
        },
        (seen) => seen.includes('ready') && seen.includes('problem'),
        { timeoutMs: 30 * second },
      );
      expect(textsOf(first.lines).toSorted()).toEqual(['hello', 'problem', 'ready']);
      expect(texts[0]).toBe('got SIGTERM');
      expect(texts.slice(1).toSorted()).toEqual(['hello', 'problem', 'ready']);
      expect(gaps).toBe(0);
      expect(await readAll(later, id, cursor)).toMatchObject({ lines: [], gaps: 0 });
    });

    test('in long lines is cut at 64 KiB and joined to the same text', async () => {
      const id = await suite.run({
        steps: [
          ['fill', 150_000],
          ['print', ''],
          ['print', 'short'],
          ['exit', 0],
        ],
      });
      await untilExited(suite.runtime, id);
      const { lines } = await readAll(suite.runtime, id, undefined, 1);
      expect(textsOf(lines).map((text) => text.length)).toEqual([65_536, 65_536, 18_928, 5]);
      // With each piece comes the text around it, so that a secret cut in two can be masked.
      expect(lines.map(({ around }) => around && [around.before.length, around.after.length])).toEqual([
        [0, 65_536],
        [65_536, 18_928],
        [65_536, 0],
        undefined,
      ]);
    });

    test.each([7, 16_384, 40_000])(
      'of %i bytes without a line end, the last that a bot printed, is there',
      async (length) => {
        const id = await suite.run({
          steps: [
            ['print', 'begin'],
            ['fill', length],
            ['exit', 0],
          ],
        });
        await untilExited(suite.runtime, id);
        const first = await readAll(suite.runtime, id);
        expect(textsOf(first.lines).map((text) => text.length)).toEqual([5, length]);
        await untilOutputTimeDiffers(suite.harness.outputTimeStepMs);
        await suite.runtime.start(id, patience());
        await eventually(
          'the second run has ended',
          () => suite.runtime.inspect(id, patience()),
          (facts) => facts?.status === 'exited',
          { timeoutMs: 30 * second },
        );
        const next = await readAll(suite.runtime, id, first.cursor);
        expect(textsOf(next.lines).map((text) => text.length)).toEqual([5, length]);
        expect(next.gaps).toBe(0);
      },
    );

    test('hostile 15: is not read at a cursor that nobody handed out', async () => {
      const id = await suite.run();
      for (const cursor of ['', 'x', '1', '../../etc/passwd']) {
        const error = await suite.runtime.readOutput(id, cursor, 1000, patience()).catch((reason: unknown) => reason);
        expect(error).toBeInstanceOf(ProblemError);
        expect(error).toMatchObject({ problem: { code: 'INVALID_CURSOR' } });
      }
    });

    test('rings while it comes, until the bot has ended', async () => {
      let rings = 0;
      const id = await suite.run({ steps: [['tick', 50]] });
      const watching = suite.runtime.watchOutput(
        id,
        () => {
          rings += 1;
        },
        patience(),
      );
      await eventually(
        'it rang several times',
        () => rings,
        (count) => count >= 4,
        { timeoutMs: 30 * second },
      );
      await suite.runtime.stop(id, 20 * second, patience());
      await watching;
    });

    test('rings no more when the watch is aborted', async () => {
      const id = await suite.run({ steps: [['tick', 50]] });
      const watch = new AbortController();
      let rings = 0;
      const watching = suite.runtime.watchOutput(
        id,
        () => {
          rings += 1;
        },
        watch.signal,
      );
      await eventually(
        'it rang',
        () => rings,
        (count) => count > 0,
        { timeoutMs: 30 * second },
      );
      watch.abort();
      await watching;
      const rung = rings;
      const { lines } = await readAll(suite.runtime, id);
      await untilPrinted(suite.runtime, id, `tick ${lines.length + 3}`);
      expect(rings).toBe(rung);
    });
  });
}

/** An engine that stamps lines with whole seconds joins a line without an end with the next one of the same second. */
async function untilOutputTimeDiffers(stepMs: number): Promise<void> {
  const step = () => Math.floor(Date.now() / stepMs);
  const before = step();
  if (stepMs > 0) await eventually('a later time', step, (now) => now > before, { timeoutMs: 10 * stepMs });
}
