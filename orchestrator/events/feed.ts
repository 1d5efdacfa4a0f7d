/**
 * The feed of events for people who watch. It reads the outbox once after each commit and hands every event to those it
 * concerns.
 *
 * Invariants:
 * 1. A watcher gets every event of its query after its place once, in the order of seq, or is notified of a reset.
 * 2. Nobody waits for a watcher. What is kept for one that falls behind is bounded; it then reads on from the store.
 * 3. Only events on disk are handed out.
 */
import { inBackground, nextTurn } from '#common/background.ts';
import type { Clock } from '#common/clock.ts';
import type { Logger } from '#common/log.ts';
import { refuse } from '#common/problem.ts';
import { Bell } from '#common/waiting/bell.ts';
import type { EventRecord } from '../core/records.ts';
import type { Store } from '../store/store.ts';
import { createLiveEvent, type LiveEvent, type RuntimeOf } from '../views/event.ts';
import { RecentEvents } from './recent-events.ts';

export interface EventQuery {
  /** Whose events; empty for those of workers. */
  readonly userId: string;
  readonly wants: (event: EventRecord) => boolean;
}

export type FeedItem =
  | { readonly kind: 'event'; readonly seq: number; readonly event: LiveEvent }
  /** Events are missing: take the state as it is now, `seq` being its place. */
  | { readonly kind: 'reset'; readonly seq: number }
  /** Nothing happened, but the place to resume from has moved on. */
  | { readonly kind: 'mark'; readonly seq: number };

export interface FeedSettings {
  /** Events kept for a watcher before it is sent to the store. */
  readonly bufferMax: number;
  /** Rows read at once. */
  readonly batch: number;
  /** How often a quiet watcher gets a mark, so that its place does not grow too old. */
  readonly markMs: number;
  /** The newest events, kept in memory for those that read them again. */
  readonly recentMax: number;
  readonly watchersMax: number;
  readonly watchersPerUserMax: number;
}

const defaultFeedSettings: FeedSettings = {
  bufferMax: 256,
  batch: 256,
  markMs: 15_000,
  recentMax: 512,
  watchersMax: 8_000,
  watchersPerUserMax: 2_000,
};

export interface FeedDeps {
  readonly store: Store;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly runtimeOf: RuntimeOf;
  readonly settings?: Partial<FeedSettings>;
}

/** Rows that a watcher which reads on from the store may hold. */
const heldMax = 32;

/** Takes an event at once, which spares its reader the wait; false when it cannot just now, and the event comes as an item. */
export type TakeEvent = (event: LiveEvent) => boolean;

interface Watcher {
  readonly query: EventQuery;
  readonly take: TakeEvent | undefined;
  /** True while it has been given all there is and waits for more. */
  isIdle: boolean;
  /** True when it has taken an event during this wait. */
  hasTaken: boolean;
  /** The place of the newest event that was handed out or may be skipped. */
  position: number;
  /** True while it reads from the store; then nothing is kept for it. */
  behind: boolean;
  buffer: LiveEvent[];
  readonly bell: Bell;
}

function takes({ take }: Watcher, event: LiveEvent): boolean {
  try {
    return take?.(event) ?? false;
  } catch {
    // Its reader meets the same when it gets the event as an item; nobody else should.
    return false;
  }
}

export class EventFeed {
  readonly #deps: FeedDeps;
  readonly #settings: FeedSettings;
  readonly #watchers = new Map<string, Set<Watcher>>();
  readonly #end: () => void;
  readonly #recent: RecentEvents;
  #count = 0;
  #isNews = false;
  #isPumping = false;
  /** The place of the newest event handed to the watchers. */
  #position: number;

  constructor(deps: FeedDeps) {
    this.#deps = deps;
    this.#settings = { ...defaultFeedSettings, ...deps.settings };
    this.#position = deps.store.lastSeq();
    this.#recent = new RecentEvents(this.#settings.recentMax, this.#position, (from, limit) =>
      deps.store.events.after(from, limit).then((records) => records.map((record) => this.#live(record))),
    );
    this.#end = deps.store.onEvents(() => this.#pumpSoon());
  }

  close(): void {
    this.#end();
  }

  /** The place right now. */
  now(): Promise<number> {
    return this.#deps.store.look([], (tx) => tx.outbox.lastSeq());
  }

  /** For renderings of the same events elsewhere; the same one for a recent event. */
  render(record: EventRecord): LiveEvent {
    return this.#recent.find(record.seq) ?? this.#live(record);
  }

  #live(record: EventRecord): LiveEvent {
    return createLiveEvent(record, this.#deps.runtimeOf);
  }

  /** One pump at a time; what is committed while it works, it takes along. */
  #pumpSoon(): void {
    this.#isNews = true;
    if (this.#isPumping) return;
    this.#isPumping = true;
    inBackground(this.#pump(), (error) => {
      // The watchers stay where they are; the next commit tries again.
      this.#deps.logger.error({ err: error }, 'reading the outbox failed');
    });
  }

  async #pump(): Promise<void> {
    const { store } = this.#deps;
    try {
      while (this.#isNews) {
        this.#isNews = false;
        const events = await store.events.after(this.#position, this.#settings.batch);
        for (const record of events) this.#hand(record);
        if (events.length === this.#settings.batch) this.#isNews = true;
      }
    } finally {
      // In the same turn as the last look at what is new.
      this.#isPumping = false;
    }
  }

  #hand(record: EventRecord): void {
    this.#position = record.seq;
    const event = this.#live(record);
    this.#recent.add(event);
    const watchers = this.#watchers.get(record.userId);
    if (watchers === undefined) return;
    for (const watcher of watchers) {
      if (watcher.behind || !watcher.query.wants(record)) continue;
      if (watcher.isIdle && record.seq > watcher.position && takes(watcher, event)) {
        watcher.position = record.seq;
        watcher.hasTaken = true;
        continue;
      }
      if (watcher.buffer.length >= this.#settings.bufferMax) {
        watcher.buffer = [];
        watcher.behind = true;
      } else watcher.buffer.push(event);
      watcher.isIdle = false;
      watcher.bell.ring();
    }
  }

  /**
   * Events after `from`; undefined when that place is not of this store, which is answered with a reset. Ends with the
   * signal or, with `untilNow`, when all up to now was given. What `take` took is no item. Refuses with UNAVAILABLE when there are too many watchers.
   */
  async *watch(
    query: EventQuery,
    from: number | undefined,
    signal: AbortSignal,
    options: { readonly untilNow?: boolean; readonly take?: TakeEvent } = {},
  ): AsyncGenerator<FeedItem> {
    const { clock } = this.#deps;
    const { markMs } = this.#settings;
    const watcher = this.#join(query, options.take);
    try {
      const end = await this.now();
      // A place in the future can only be of a store that was set back.
      if (from === undefined || from > end) yield await this.#reset(watcher);
      else watcher.position = from;
      for (;;) {
        if (signal.aborted) return;
        if (watcher.behind) yield* this.#catchUp(watcher, end, signal);
        else if (options.untilNow && watcher.position >= end) return;
        const event = watcher.buffer.shift();
        if (event !== undefined) {
          if (event.record.seq <= watcher.position) continue;
          watcher.position = event.record.seq;
          yield { kind: 'event', seq: watcher.position, event };
        } else if (!watcher.behind) {
          if (options.untilNow) return;
          watcher.isIdle = true;
          watcher.hasTaken = false;
          const how = await watcher.bell.wait({ clock, afterMs: markMs, signal });
          watcher.isIdle = false;
          if (how === 'timeout' && !watcher.hasTaken && watcher.buffer.length === 0 && !watcher.behind) {
            // Whatever concerned it up to here has been handed out.
            watcher.position = Math.max(watcher.position, this.#position);
            yield { kind: 'mark', seq: watcher.position };
          }
        }
      }
    } finally {
      this.#leave(watcher);
    }
  }

  /** Reads on until nothing up to `end` is left; from then on events come by the buffer. */
  async *#catchUp(watcher: Watcher, end: number, signal: AbortSignal): AsyncGenerator<FeedItem> {
    const { events } = this.#deps.store;
    const { query } = watcher;
    const wanted = ({ record }: LiveEvent) => record.userId === query.userId && query.wants(record);
    await this.#recent.reachBack(watcher.position);
    // What is read waits in memory while its reader does not read on: little, unless nothing of it is for the reader.
    let size = heldMax;
    while (!signal.aborted) {
      if (watcher.position < (await events.floor(query.userId))) yield await this.#reset(watcher);
      // Not all of it is there yet while the newest commit is being read.
      const recent = this.#position >= end ? this.#recent.after(watcher.position, wanted, heldMax) : undefined;
      if (recent !== undefined) {
        // In the same turn as the look: what comes from now on is handed out.
        watcher.behind = recent.length === heldMax;
        for (const event of recent) {
          if (signal.aborted) return;
          watcher.position = event.record.seq;
          yield { kind: 'event', seq: watcher.position, event };
        }
        if (!watcher.behind) return;
        continue;
      }
      // From here on what is committed is kept for it, so that nothing falls between the read and the buffer.
      watcher.behind = false;
      const rows = await events.ofUserAfter(watcher.query.userId, watcher.position, size);
      if (rows.length === size) {
        watcher.behind = true;
        watcher.buffer = [];
      }
      for (const record of rows) {
        if (signal.aborted) return;
        watcher.position = record.seq;
        if (watcher.query.wants(record)) yield { kind: 'event', seq: record.seq, event: this.render(record) };
      }
      size = rows.some((record) => watcher.query.wants(record)) ? heldMax : this.#settings.batch;
      // A long way back without a match must not keep others waiting.
      if (watcher.behind) await nextTurn();
      else return;
    }
  }

  /** The caller reads the state after it has taken this item. */
  async #reset(watcher: Watcher): Promise<FeedItem> {
    watcher.position = await this.now();
    watcher.behind = true;
    watcher.buffer = [];
    return { kind: 'reset', seq: watcher.position };
  }

  #join(query: EventQuery, take: TakeEvent | undefined): Watcher {
    const ofUser = this.#watchers.get(query.userId) ?? new Set();
    if (this.#count >= this.#settings.watchersMax || ofUser.size >= this.#settings.watchersPerUserMax) {
      refuse('UNAVAILABLE', 'Too many event streams are open.', { hint: 'Close some, or try again later.' });
    }
    const bell = new Bell();
    const watcher: Watcher = {
      query,
      take,
      isIdle: false,
      hasTaken: false,
      position: 0,
      behind: true,
      buffer: [],
      bell,
    };
    this.#watchers.set(query.userId, ofUser.add(watcher));
    this.#count++;
    return watcher;
  }

  #leave(watcher: Watcher): void {
    const ofUser = this.#watchers.get(watcher.query.userId);
    if (ofUser?.delete(watcher)) this.#count--;
    if (ofUser?.size === 0) this.#watchers.delete(watcher.query.userId);
  }
}
