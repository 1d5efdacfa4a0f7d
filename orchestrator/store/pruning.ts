/**
 * Removes what is old, a little at a time, so that the store stays bounded and no request waits: events beyond their age or
 * number, jobs that ended long ago, and Idempotency-Keys of yesterday. Sources are another matter:
 * engine/source-pruning.ts.
 */

import type { AgeClock } from '#common/age-clock.ts';
import { inBackground, nextTurn, repeat } from '#common/background.ts';
import type { Clock } from '#common/clock.ts';
import type { Logger } from '#common/log.ts';
import type { Store } from './store.ts';

export interface Retention {
  /** Events older than this go; ms. */
  readonly eventsMs: number;
  /** Beyond this number the oldest events are removed. */
  readonly eventsMax: number;
  /** Jobs that ended and were made longer ago than this go; ms. */
  readonly jobsMs: number;
  /** Of what the ended jobs of a user may take. */
  readonly jobBytesOf: (userId: string) => number;
}

const everyMs = 60_000;
const reserveEveryMs = 2_000;
/** How long an Idempotency-Key is known: longer than any client tries again. */
const keysMs = 24 * 60 * 60 * 1000;
// Rows of one transaction: some ten milliseconds of one turn.
const batch = 1_000;
// Of one look at the reserve.
const shortRounds = 10;

export class Pruning {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #retention: Retention;
  readonly #ages: AgeClock;
  #cancel: () => void = () => undefined;
  #cancelReserve: () => void = () => undefined;
  #stopped = false;

  constructor(store: Store, clock: Clock, logger: Logger, retention: Retention, ages: AgeClock) {
    this.#store = store;
    this.#clock = clock;
    this.#logger = logger;
    this.#retention = retention;
    this.#ages = ages;
  }

  /** Prunes once, then again every minute after the end of the last time. */
  run(): void {
    // A full disk, for example: the next round tries again.
    const report = (error: unknown) => this.#logger.warn({ err: error }, 'pruning the store failed');
    inBackground(this.prune(), report);
    this.#cancel = repeat(this.#clock, everyMs, () => this.prune(), report);
    // Every two seconds: said once, and again after it has worked.
    let failed = false;
    const keep = async () => {
      await this.keepReserve();
      failed = false;
    };
    this.#cancelReserve = repeat(this.#clock, reserveEveryMs, keep, (error) => {
      if (!failed) report(error);
      failed = true;
    });
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel();
    this.#cancelReserve();
  }

  /** On a full disk the oldest events make room for what is decided and reported meanwhile. */
  async keepReserve(): Promise<void> {
    const { upkeep } = this.#store;
    // A user's flood is not to fill the disk within a minute.
    await this.#whileRowsGo(() => upkeep.pruneJobsBeyond(this.#retention.jobBytesOf, batch));
    for (let kept = 0; kept < shortRounds && (await upkeep.keepReserve()) === 'short'; kept++) {
      const fewer = Math.max(0, (await upkeep.eventCount()) - batch);
      if (this.#stopped || (await upkeep.pruneEvents({ before: 0, keep: fewer, limit: batch })) === 0) return;
      await nextTurn();
    }
  }

  async prune(): Promise<void> {
    const now = Math.floor(this.#ages.nowMs());
    const { eventsMs, eventsMax, jobsMs } = this.#retention;
    const events = { before: now - eventsMs, keep: eventsMax, limit: batch };
    const { upkeep } = this.#store;
    await this.#whileRowsGo(() => upkeep.pruneEvents(events));
    await this.#whileRowsGo(() => upkeep.pruneIdempotency(now - keysMs, batch));
    await this.#whileRowsGo(() => upkeep.pruneJobs(now - jobsMs, batch));
  }

  async #whileRowsGo(remove: () => Promise<number>): Promise<void> {
    while (!this.#stopped && (await remove()) > 0) await nextTurn();
  }
}
