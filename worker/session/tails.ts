/**
 * Log tails: for each OpenTail a stream of its own, from the log on disk to the reader at the other end. One message is
 * under way at a time, so a reader that stalls holds only its place in the log.
 */

import { create } from '@bufbuild/protobuf';
import type { Timestamp } from '@bufbuild/protobuf/wkt';
import type { Clock } from '#common/clock.ts';
import { type BotKey, isBotId, userIdPattern } from '#common/ids.ts';
import type { Logger } from '#common/log.ts';
import { formatLogCursor, parseLogCursor } from '#common/log-cursor.ts';
import { type Problem, problem } from '#common/problem.ts';
import { problemToProto } from '#common/problem-proto.ts';
import { onAbort } from '#common/waiting/abort.ts';
import {
  type OpenTail,
  TailEndSchema,
  type TailLogsRequest,
  TailLogsRequestSchema,
} from '#gen/botrunner/v1/worker_service_pb.js';
import type { BotLogs } from '../logs/bot-logs.ts';
import { entryToProto, type StoredEntry, wallNs } from '../logs/log-entry.ts';
import { createLogFilter, type LogFilter } from '../logs/log-filter.ts';
import { type PageQuery, readPage } from '../logs/log-page.ts';
import { readLog } from '../logs/log-reader.ts';
import type { LogStore } from '../logs/log-store.ts';
import { type Channel, send, statusOf } from './channel.ts';

const linesMax = 10_000;
const linesDefault = 100;
// Far more readers than a worker has bots; more means that somebody opens tails and forgets them.
const tailsMax = 256;

export interface TailParts {
  readonly logs: BotLogs;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Whether the bot is placed on this worker. */
  hasBot(key: BotKey): boolean;
}

export class Tails {
  readonly #parts: TailParts;
  readonly #open = new Set<Promise<void>>();

  constructor(parts: TailParts) {
    this.#parts = parts;
  }

  /** Serves the tail until its end; with the signal it is broken off. */
  serve(channel: Channel, tail: OpenTail, signal: AbortSignal): void {
    const serving = this.#serve(channel, tail, signal)
      .catch((error: unknown) => this.#parts.logger.debug({ err: error }, 'a log stream failed'))
      .finally(() => this.#open.delete(serving));
    this.#open.add(serving);
  }

  async #serve(channel: Channel, tail: OpenTail, signal: AbortSignal): Promise<void> {
    const call = channel.openTail();
    const over = new AbortController();
    const ended = statusOf(call).then(() => over.abort());
    // The orchestrator sends nothing on a tail, but its end is only seen by reading.
    call.resume();
    const letGo = onAbort(signal, () => call.cancel());
    const say: Say = (message) => send(call, create(TailLogsRequestSchema, message), ended);
    try {
      await say({ tailId: tail.tailId });
      const refusal = await this.#pump(tail, say, over.signal);
      if (refusal && !over.signal.aborted) await say({ error: problemToProto(refusal) });
      call.end();
      await ended;
    } finally {
      letGo();
      call.cancel();
    }
  }

  async #pump(tail: OpenTail, say: Say, signal: AbortSignal): Promise<Problem | undefined> {
    const { logs, clock } = this.#parts;
    const key = { userId: tail.userId, botId: tail.botId };
    if (this.#open.size > tailsMax)
      return problem('UNAVAILABLE', 'Too many logs of this worker are being read at once.');
    if (!(await this.#hasLog(key))) return problem('BOT_NOT_FOUND', 'The worker has no log of this bot.');
    const store = await logs.of(key).store();
    const query = toQuery(tail, store, wallNs(clock.wallMs()));
    if (!query) return problem('INVALID_CURSOR', 'The log cursor was not issued by this worker.');
    const cursorOf = (seq: number) => formatLogCursor({ logId: store.id, seq });
    const newestCursor = cursorOf(store.nextSeq - 1);
    const tell = (entries: readonly StoredEntry[]) =>
      say({ entries: entries.map((entry) => entryToProto(store.id, entry)) });
    const page = readPage(store, query, { clock, signal });
    let next = await page.next();
    for (; !next.done; next = await page.next()) await tell(next.value);
    let lastSeq = next.value;
    if (tail.follow) {
      const wanted = createLogFilter(query.filter);
      const from = { afterSeq: lastSeq, sameLog: true };
      for await (const entries of readLog(store, from, { follow: true, clock, signal })) {
        lastSeq = entries.at(-1)?.seq ?? lastSeq;
        const passing = wanted ? entries.filter(wanted) : entries;
        if (passing.length > 0) await tell(passing);
      }
    }
    if (!signal.aborted) await say({ end: create(TailEndSchema, { cursor: cursorOf(lastSeq), newestCursor }) });
    return undefined;
  }

  async #hasLog(key: BotKey): Promise<boolean> {
    if (!userIdPattern.test(key.userId) || !isBotId(key.botId)) return false;
    return this.#parts.hasBot(key) || (await this.#parts.logs.has(key));
  }
}

type Say = (message: Partial<Pick<TailLogsRequest, 'tailId' | 'entries' | 'error' | 'end'>>) => Promise<void>;

/** Undefined for a cursor that no log handed out. */
function toQuery(tail: OpenTail, store: LogStore, nowNs: bigint): PageQuery | undefined {
  const ago = (ms: bigint | undefined) => (ms === undefined ? undefined : nowNs - ms * 1_000_000n);
  const filter: LogFilter = {
    sinceNs: ago(tail.sinceAgoMs) ?? nsOf(tail.since),
    untilNs: ago(tail.untilAgoMs) ?? nsOf(tail.until),
    grep: tail.grep,
    buildOnly: tail.buildOnly,
  };
  const maxBytes = tail.follow ? 0 : tail.maxBytes;
  if (tail.afterCursor !== '') {
    const cursor = parseLogCursor(tail.afterCursor);
    return cursor && { from: { afterSeq: cursor.seq, sameLog: cursor.logId === store.id }, filter, maxBytes };
  }
  if (tail.lines <= 0 && filter.sinceNs !== undefined) return { from: { all: true }, filter, maxBytes };
  return { from: { lastLines: Math.min(tail.lines > 0 ? tail.lines : linesDefault, linesMax) }, filter, maxBytes };
}

const nsOf = (time: Timestamp | undefined): bigint | undefined =>
  time && time.seconds * 1_000_000_000n + BigInt(time.nanos);
