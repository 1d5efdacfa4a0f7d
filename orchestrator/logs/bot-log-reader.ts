/**
 * Logs for people who read them. What is already in a log comes page by page, each on a short stream of the worker, so that
 * a reader who stalls holds one page and nothing at the worker. Who follows then shares the bot's one live tail with all
 * others who do (live-tail.ts), and goes back to pages when it falls behind.
 */
import { type Timestamp, timestampFromMs, timestampMs } from '@bufbuild/protobuf/wkt';
import { inBackground } from '#common/background.ts';
import type { Clock } from '#common/clock.ts';
import { type BotKey, botKeyText } from '#common/ids.ts';
import { formatLogCursor, type LogCursor, parseLogCursor } from '#common/log-cursor.ts';
import { ProblemError, problem } from '#common/problem.ts';
import { linkSignals } from '#common/waiting/abort.ts';
import { Semaphore } from '#common/waiting/semaphore.ts';
import { type LogEntry, LogStream } from '#gen/botrunner/v1/log_pb.js';
import type { TailEnd } from '#gen/botrunner/v1/worker_service_pb.js';
import type { BotRecord } from '../core/records.ts';
import type { FleetPort } from '../engine/context.ts';
import { LiveTail, type LogPart } from './live-tail.ts';
import { LogBatch, type TailMessage } from './log-batch.ts';
import { WorkerStreams, workerAway } from './worker-streams.ts';

export interface TailQuery {
  /** How many of the last lines to begin with; 0 with since: all. */
  readonly lines: number;
  readonly follow: boolean;
  readonly afterCursor: string;
  readonly since?: Timestamp | undefined;
  readonly until?: Timestamp | undefined;
  /** So long before the query, ms: by the worker's clock. They go before since and until. */
  readonly sinceAgoMs?: number | undefined;
  readonly untilAgoMs?: number | undefined;
  readonly grep?: string;
  readonly buildOnly?: boolean;
}

type LoggedBot = BotKey & Pick<BotRecord, 'workerId'>;

/** Says which worker has a bot now; undefined when the bot is gone. */
export type HomeOf = (bot: BotKey) => Promise<string | null | undefined>;

// What one reader holds at most, by the worker's count of 128 bytes an entry and its text.
const pageBytes = 256 * 1024;
const pagesAtOnce = 32;
// Lines reach the log a moment after they were printed.
const untilSlackMs = 2000;
const homeCheckMs = 2000;

interface Page {
  readonly batches: readonly LogBatch[];
  readonly end: TailEnd;
}

export class BotLogReader {
  readonly #streams: WorkerStreams;
  readonly #clock: Clock;
  readonly #homeOf: HomeOf | undefined;
  readonly #live = new Map<string, LiveTail>();
  readonly #reads = new Semaphore(pagesAtOnce);

  constructor(fleet: Pick<FleetPort, 'send'>, clock: Clock, homeOf?: HomeOf) {
    this.#streams = new WorkerStreams(fleet, clock);
    this.#clock = clock;
    this.#homeOf = homeOf;
  }

  /** Serves a worker's TailLogs call until its reader is done. */
  serve(requests: AsyncIterable<TailMessage>, signal: AbortSignal, workerId: string): Promise<void> {
    return this.#streams.serve(requests, signal, workerId);
  }

  /** The log in parts. Throws ProblemError UNAVAILABLE when the worker is away or goes away while following. */
  async *read(bot: LoggedBot, query: TailQuery, signal: AbortSignal): AsyncGenerator<LogPart> {
    const { workerId } = bot;
    if (workerId === null) {
      // Nothing can have been printed yet; a follower asks again until the bot has a worker.
      if (query.follow) throw new ProblemError(problem('UNAVAILABLE', 'The bot has no worker yet.'));
      return;
    }
    const askedAtMs = this.#clock.monotonicMs();
    // What was printed before this moment may be on its way still, so such an end is waited for a little too.
    const untilMs =
      query.untilAgoMs === undefined
        ? query.until && timestampMs(query.until) + untilSlackMs - this.#clock.wallMs()
        : untilSlackMs - query.untilAgoMs;
    if (!query.follow || (untilMs !== undefined && untilMs <= 0)) {
      yield* this.#pages(bot, workerId, { ...query, follow: false }, askedAtMs, signal);
      return;
    }
    const over = new AbortController();
    const cancel = untilMs === undefined ? undefined : this.#clock.after(untilMs, () => over.abort());
    using ending = linkSignals(signal, over.signal);
    try {
      yield* this.#follow(bot, workerId, query, askedAtMs, ending.signal);
    } finally {
      cancel?.();
    }
  }

  async *#follow(
    bot: LoggedBot,
    workerId: string,
    query: TailQuery,
    askedAtMs: number,
    signal: AbortSignal,
  ): AsyncGenerator<LogPart> {
    const wanted = wantedBy(query);
    let afterCursor = query.afterCursor;
    while (!signal.aborted) {
      const end = yield* this.#pages(bot, workerId, { ...query, afterCursor }, askedAtMs, signal);
      const place = parseLogCursor(end ?? '');
      if (end === undefined || place === undefined || signal.aborted) return;
      afterCursor = end;
      const live = this.#liveOf(bot, workerId, place);
      const reading = live.read(place, signal);
      let next = await reading.next();
      for (; !next.done; next = await reading.next()) {
        const { batch, cursor } = next.value;
        afterCursor = cursor;
        yield { batch: wanted === undefined ? batch : batch.filter(wanted), cursor };
      }
      if (next.value === 'over') return;
    }
  }

  /** Up to the end of the log, as it is when the end is reached (follow) or as it was at the beginning. Returns the place. */
  async *#pages(
    bot: BotKey,
    workerId: string,
    query: TailQuery,
    askedAtMs: number,
    signal: AbortSignal,
  ): AsyncGenerator<LogPart, string | undefined> {
    let { afterCursor } = query;
    let goal: LogCursor | undefined;
    for (;;) {
      const page = await this.#page(bot, workerId, { ...query, afterCursor }, askedAtMs, signal);
      if (page === undefined) return undefined;
      const { batches, end } = page;
      const newest = parseLogCursor(end.newestCursor);
      goal = query.follow ? newest : (goal ?? newest);
      for (const batch of batches) yield { batch, cursor: cursorOf(batch) };
      // Also without lines: a reader that breaks off now knows where to continue.
      if (end.cursor !== cursorOf(batches.at(-1))) yield { batch: LogBatch.empty, cursor: end.cursor };
      const place = parseLogCursor(end.cursor);
      const stuck = end.cursor === afterCursor;
      afterCursor = end.cursor;
      if (stuck || place === undefined || goal === undefined) return afterCursor;
      if (place.logId !== goal.logId || place.seq >= goal.seq) return afterCursor;
    }
  }

  /** Undefined when aborted. Nothing of it is at the worker any more when it is here. */
  async #page(
    bot: BotKey,
    workerId: string,
    query: TailQuery,
    askedAtMs: number,
    signal: AbortSignal,
  ): Promise<Page | undefined> {
    const { userId, botId } = bot;
    const { lines, afterCursor, grep = '', buildOnly = false } = query;
    const times = {
      ...this.#time('since', query.since, query.sinceAgoMs, askedAtMs),
      ...this.#time('until', query.until, query.untilAgoMs, askedAtMs),
    };
    const request = { userId, botId, lines, afterCursor, ...times, grep, buildOnly, maxBytes: pageBytes };
    // It rejects for one reason: the reader left before its turn came.
    const release = await this.#reads.acquire(signal).catch(() => undefined);
    if (release === undefined) return undefined;
    try {
      const batches: LogBatch[] = [];
      for await (const { batch, end } of this.#streams.open(workerId, request, signal)) {
        if (batch.count > 0) batches.push(batch);
        if (end !== undefined) return { batches, end };
      }
      return undefined;
    } finally {
      release();
    }
  }

  /** A bound of a page. An instant goes with a distance, for workers that do not know the latter. */
  #time<N extends 'since' | 'until'>(
    name: N,
    time: Timestamp | undefined,
    agoMs: number | undefined,
    askedAtMs: number,
  ): object {
    if (agoMs === undefined) return time === undefined ? {} : { [name]: time };
    const nowMs = this.#clock.monotonicMs();
    // Later pages mean the same moment.
    const ago = Math.round(agoMs + nowMs - askedAtMs);
    return { [name]: time ?? timestampFromMs(this.#clock.wallMs() - ago), [`${name}AgoMs`]: BigInt(ago) };
  }

  #liveOf(bot: BotKey, workerId: string, from: LogCursor): LiveTail {
    const key = `${workerId} ${botKeyText(bot)}`;
    const known = this.#live.get(key);
    if (known?.fits(from)) return known;
    const { userId, botId } = bot;
    const request = { userId, botId, follow: true, afterCursor: `${from.logId}-${from.seq}` };
    const live: LiveTail = new LiveTail(from, (signal) =>
      this.#whileHere(key, bot, workerId, request, signal, () => live),
    );
    this.#live.set(key, live);
    return live;
  }

  /** The tail's messages. When the bot gets another home its readers are notified, since nothing more can come from this one. */
  async *#whileHere(
    key: string,
    bot: BotKey,
    workerId: string,
    request: Parameters<WorkerStreams['open']>[1],
    signal: AbortSignal,
    live: () => LiveTail,
  ): AsyncGenerator<TailMessage> {
    let over = false;
    const check = async () => {
      const home = await this.#homeOf?.(bot);
      if (over) return;
      if (home !== undefined && home !== workerId) live().fail(workerAway(workerId));
      else checkLater();
    };
    const checkLater = () => {
      if (over) return;
      // What the store could not say now, it is asked again.
      cancel = this.#clock.after(homeCheckMs, () => inBackground(check(), checkLater));
    };
    let cancel: () => void = () => undefined;
    checkLater();
    try {
      yield* this.#streams.open(workerId, request, signal);
    } finally {
      over = true;
      cancel();
      if (this.#live.get(key) === live()) this.#live.delete(key);
    }
  }
}

/** Of the last line; empty for none. */
const cursorOf = (batch: LogBatch | undefined): string =>
  batch?.last === undefined ? '' : formatLogCursor(batch.last);

/** As the worker picks the lines of a page; undefined for every line. */
function wantedBy({
  since,
  until,
  grep = '',
  buildOnly = false,
  sinceAgoMs,
  untilAgoMs,
}: TailQuery): ((entry: LogEntry) => boolean) | undefined {
  // What is live is newer than any distance into the past; until such an end only pages are read.
  const sinceNs = sinceAgoMs === undefined ? nsOf(since) : undefined;
  const untilNs = untilAgoMs === undefined ? nsOf(until) : undefined;
  if (sinceNs === undefined && untilNs === undefined && grep === '' && !buildOnly) return undefined;
  return ({ time, stream, text }) => {
    const timeNs = nsOf(time) ?? 0n;
    if (sinceNs !== undefined && timeNs < sinceNs) return false;
    if (untilNs !== undefined && timeNs > untilNs) return false;
    if (stream === LogStream.GAP) return true;
    return (!buildOnly || stream === LogStream.BUILD) && text.includes(grep);
  };
}

const nsOf = (time: Timestamp | undefined): bigint | undefined =>
  time && time.seconds * 1_000_000_000n + BigInt(time.nanos);
