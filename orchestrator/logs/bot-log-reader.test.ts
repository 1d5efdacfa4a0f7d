import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '#common/clock.ts';
import { ProblemError } from '#common/problem.ts';
import { LogEntrySchema, LogStream } from '#gen/botrunner/v1/log_pb.js';
import { type OpenTail, TailEndSchema, TailLogsRequestSchema } from '#gen/botrunner/v1/worker_service_pb.js';
import { eventually } from '../../test/kit/eventually.ts';
import { createManualClock } from '../../test/kit/manual-clock.ts';
import { BotLogReader, type TailQuery } from './bot-log-reader.ts';
import type { LogPart } from './live-tail.ts';
import { tailMessages } from './log-batch.ts';

/** A worker with the log of one bot: lines 1, 2, 3 ... of `lineBytes` each. */
class LogWorker {
  logId = 'a'.repeat(16);
  size = 0;
  lineBytes = 8;
  readonly opened: OpenTail[] = [];
  /** Live tails that are open now, and the most there were at once. */
  following = 0;
  mostFollowing = 0;
  #wake = new Set<() => void>();
  #cut = new AbortController();
  removed = false;

  print(lines: number): void {
    this.size += lines;
    this.#ring();
  }

  /** Breaks every stream, as a lost connection does. */
  cut(): void {
    this.#cut.abort();
    this.#cut = new AbortController();
    this.#ring();
  }

  remove(): void {
    this.removed = true;
    this.#ring();
  }

  #ring(): void {
    for (const wake of this.#wake) wake();
    this.#wake.clear();
  }

  async *serve(tail: OpenTail, signal: AbortSignal) {
    this.opened.push(tail);
    const cut = this.#cut.signal;
    const [logId, number] = tail.afterCursor.split('-');
    let seq = tail.afterCursor === '' ? Math.max(0, this.size - tail.lines) : logId === this.logId ? Number(number) : 0;
    const newest = this.size;
    yield create(TailLogsRequestSchema, { tailId: tail.tailId });
    if (tail.follow) this.mostFollowing = Math.max(this.mostFollowing, ++this.following);
    try {
      let bytes = 0;
      while (!signal.aborted) {
        if (cut.aborted) throw new Error('reset');
        const upTo = Math.min(seq + 100, this.size);
        const batch = Array.from({ length: upTo - seq }, (_, index) => this.#entry(seq + index + 1));
        seq = upTo;
        bytes += batch.reduce((sum, { text }) => sum + text.length + 128, 0);
        const entries = batch.filter(({ text }) => text.includes(tail.grep));
        if (entries.length > 0) yield create(TailLogsRequestSchema, { entries });
        if (!tail.follow && (seq >= this.size || (tail.maxBytes > 0 && bytes >= tail.maxBytes))) break;
        if (this.removed) break;
        if (seq >= this.size) await new Promise<void>((resolve) => this.#wake.add(resolve));
      }
      const end = create(TailEndSchema, { cursor: `${this.logId}-${seq}`, newestCursor: `${this.logId}-${newest}` });
      yield create(TailLogsRequestSchema, { end });
    } finally {
      if (tail.follow) this.following -= 1;
    }
  }

  #entry(seq: number) {
    return create(LogEntrySchema, {
      cursor: `${this.logId}-${seq}`,
      stream: LogStream.STDOUT,
      time: timestampFromMs(seq * 1000),
      text: String(seq).padEnd(this.lineBytes, '.'),
    });
  }

  wakeAll(): void {
    this.#ring();
  }
}

const bot = { userId: 'dev', botId: 'b', workerId: 'w1' };
let worker: LogWorker;
let reader: BotLogReader;
let home: string | null;

function makeReader(clock = systemClock): BotLogReader {
  const made: BotLogReader = new BotLogReader(
    {
      send(workerId, body) {
        if (body.case !== 'openTail') return false;
        const call = new AbortController();
        const messages = worker.serve(body.value, call.signal);
        void made.serve(tailMessages(messages), call.signal, workerId).finally(() => {
          call.abort();
          worker.wakeAll();
          return messages.return();
        });
        return true;
      },
    },
    clock,
    async () => home,
  );
  return made;
}

beforeEach(() => {
  worker = new LogWorker();
  home = 'w1';
  reader = makeReader();
});

const query = (extra: Partial<TailQuery> = {}): TailQuery => ({ lines: 10, follow: true, afterCursor: '', ...extra });
const numbers = (part: LogPart): number[] => part.batch.entries.map(({ text }) => Number.parseInt(text, 10));
const fromAfter = (seq: number) => query({ afterCursor: `${worker.logId}-${seq}` });
const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index);

/** Reads in the background until stopped. */
function follow(asked: TailQuery, from = reader) {
  const ending = new AbortController();
  const seen: number[] = [];
  let cursor = '';
  let error: unknown;
  const done = (async () => {
    try {
      for await (const part of from.read(bot, asked, ending.signal)) {
        seen.push(...numbers(part));
        cursor = part.cursor;
      }
    } catch (thrown) {
      error = thrown;
    }
  })();
  const saw = (last: number) =>
    eventually(
      `${last} is read`,
      () => seen.at(-1) ?? 0,
      (newest) => newest === last,
    );
  return {
    seen,
    saw,
    done,
    cursor: () => cursor,
    error: () => error,
    stop: () => {
      ending.abort();
      return done;
    },
  };
}

describe('many who follow one bot', () => {
  it('cost the worker one tail, and each gets every line from its own place on, once', async () => {
    worker.print(1000);
    const followers = range(0, 49).map((n) => ({ from: n * 20, ...follow(fromAfter(n * 20)) }));
    await Promise.all(followers.map(({ saw }) => saw(1000)));
    for (let n = 0; n < 20; n += 1) {
      worker.print(50);
      await Promise.all(followers.slice(0, 5).map(({ saw }) => saw(worker.size)));
    }
    const late = follow(fromAfter(1990));
    await late.saw(2000);
    await Promise.all(followers.map(({ saw }) => saw(2000)));
    for (const { seen, from } of followers) expect(seen).toEqual(range(from + 1, 2000));
    expect(late.seen).toEqual(range(1991, 2000));
    expect([worker.following, worker.mostFollowing]).toEqual([1, 1]);
    expect(worker.opened.filter((tail) => tail.follow)).toHaveLength(1);
    await Promise.all([late, ...followers].map(({ stop }) => stop()));
    await eventually(
      'the tail is closed with its last reader',
      () => worker.following,
      (open) => open === 0,
    );
  });

  it('are not held up by one who stalls, who costs no tail and then continues without a loss', async () => {
    worker.lineBytes = 1000;
    worker.print(10);
    const ending = new AbortController();
    const stalled = reader.read(bot, fromAfter(0), ending.signal);
    const first = await stalled.next();
    const other = follow(fromAfter(0));
    for (let n = 0; n < 20; n += 1) {
      worker.print(1000);
      await other.saw(worker.size);
    }
    expect(other.seen).toEqual(range(1, 20_010));
    // Nothing of the 20 MB was kept for it: it reads on from the worker, page by page.
    const opened = worker.opened.length;
    const seen = first.done ? [] : numbers(first.value);
    for await (const part of stalled) {
      seen.push(...numbers(part));
      const held = part.batch.entries.reduce((sum, { text }) => sum + text.length, 0);
      expect(held).toBeLessThan(1024 * 1024);
      if (seen.at(-1) === 20_010) break;
    }
    expect(seen).toEqual(range(1, 20_010));
    expect(worker.opened.slice(opened).filter((tail) => !tail.follow).length).toBeGreaterThan(50);
    expect(worker.mostFollowing).toBe(1);
    ending.abort();
    await other.stop();
  });

  it('close the tail when all of them have fallen behind: nothing is pulled for nobody', async () => {
    worker.lineBytes = 1000;
    worker.print(1);
    const stalled = reader.read(bot, fromAfter(0), new AbortController().signal);
    await stalled.next();
    worker.print(1);
    await stalled.next();
    await eventually(
      'it follows',
      () => worker.following,
      (open) => open === 1,
    );
    worker.print(5000);
    await eventually(
      'the tail is closed',
      () => worker.following,
      (open) => open === 0,
    );
    const part = await stalled.next();
    expect(part.done ? [] : numbers(part.value)[0]).toBe(3);
    await stalled.return(undefined);
  });
});

describe('following', () => {
  it('continues in a new call where a broken one ended', async () => {
    worker.print(5);
    const broken = follow(fromAfter(0));
    await broken.saw(5);
    worker.print(5);
    await broken.saw(10);
    worker.cut();
    await broken.done;
    expect(broken.error()).toMatchObject({ problem: { code: 'UNAVAILABLE' } });
    worker.print(5);
    const again = follow(query({ afterCursor: broken.cursor() }));
    await again.saw(15);
    expect([...broken.seen, ...again.seen]).toEqual(range(1, 15));
    await again.stop();
  });

  it('says where to continue before there is any line, and past lines that are left out', async () => {
    const reading = reader.read(bot, query({ grep: '9' }), new AbortController().signal);
    expect((await reading.next()).value).toMatchObject({ batch: { count: 0 }, cursor: `${worker.logId}-0` });
    const next = reading.next();
    await eventually(
      'it follows',
      () => worker.following,
      (open) => open === 1,
    );
    worker.print(20);
    const part = (await next).value;
    expect(part && numbers(part)).toEqual([9, 19]);
    expect(part?.cursor).toBe(`${worker.logId}-20`);
    await reading.return(undefined);
  });

  it('ends when the log is removed', async () => {
    worker.print(3);
    const reader = follow(fromAfter(0));
    await reader.saw(3);
    await eventually(
      'it follows',
      () => worker.following,
      (open) => open === 1,
    );
    worker.remove();
    await reader.done;
    expect(reader.error()).toBeUndefined();
  });

  it('breaks off when the bot has moved, so that its reader asks for the new place', async () => {
    const clock = createManualClock();
    const moving = makeReader(clock);
    worker.print(3);
    const reader = follow(fromAfter(0), moving);
    await reader.saw(3);
    await eventually(
      'it follows',
      () => worker.following,
      (open) => open === 1,
    );
    home = 'w2';
    clock.advance(2000);
    await reader.done;
    expect(reader.error()).toMatchObject({ problem: { code: 'UNAVAILABLE' } });
  });

  it('with an end in the future ends a little after it, with one in the past at once', async () => {
    const clock = createManualClock();
    const timed = makeReader(clock);
    worker.print(3);
    const until = (ms: number) => ({ ...fromAfter(0), until: timestampFromMs(clock.wallMs() + ms) });
    const past = follow(until(-60_000), timed);
    await past.done;
    expect(worker.mostFollowing).toBe(0);
    const reader = follow(until(5000), timed);
    await eventually(
      'it follows',
      () => worker.following,
      (open) => open === 1,
    );
    clock.advance(6999);
    expect(worker.following).toBe(1);
    clock.advance(1);
    await reader.done;
    expect(reader.error()).toBeUndefined();
  });
});

describe('reading without following', () => {
  it('ends with what was there when it began, however fast the bot prints', async () => {
    worker.lineBytes = 1000;
    worker.print(2000);
    const seen: number[] = [];
    for await (const part of reader.read(bot, query({ follow: false, lines: 2000 }), new AbortController().signal)) {
      seen.push(...numbers(part));
      worker.print(500);
    }
    expect(seen.slice(0, 2000)).toEqual(range(1, 2000));
    expect(seen.length).toBeLessThan(3000);
  });

  it('of a cut stream fails rather than giving a part for the whole', async () => {
    worker.print(10);
    worker.serve = async function* (tail) {
      yield create(TailLogsRequestSchema, { tailId: tail.tailId });
      yield create(TailLogsRequestSchema, { entries: [create(LogEntrySchema, { text: 'one' })] });
    };
    const reading = reader.read(bot, query({ follow: false }), new AbortController().signal);
    await expect(reading.next()).rejects.toBeInstanceOf(ProblemError);
  });
});
