/**
 * Publishes the outbox to NATS.
 *
 * Invariants:
 * 1. The outbox is the queue: nothing else holds events, so an outage costs disk, and no more of it than the outbox keeps.
 * 2. Every event kept in the outbox is published at least once, in order; its place is moved on only when NATS has it.
 * 3. Nobody waits for this: it reads after commits and holds no lock.
 */

import { toBinary } from '@bufbuild/protobuf';
import { inBackground } from '#common/background.ts';
import { type Clock, sleep } from '#common/clock.ts';
import type { Logger } from '#common/log.ts';
import { type Backoff, backoffMs } from '#common/waiting/backoff.ts';
import { Bell, pause } from '#common/waiting/bell.ts';
import { EventSchema } from '#gen/botrunner/v1/event_pb.js';
import type { EventRecord } from '../../core/records.ts';
import type { Store } from '../../store/store.ts';
import type { LiveEvent } from '../../views/event.ts';
import { type NatsLink, type NatsMessage, openNatsLink } from './link.ts';
import type { NatsTarget } from './nats-url.ts';
import { subjectsOf } from './subjects.ts';

export interface NatsPublisherDeps {
  readonly store: Store;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly target: NatsTarget;
  readonly render: (record: EventRecord) => LiveEvent;
}

/** The longest pause before the next try to connect. */
const redial: Backoff = { firstMs: 500, mostMs: 2_000 };
const repeatMs = 30_000;
// Subscribers dial again too, every two seconds by the clients' default: most are there by now.
const firstRepeatMs = 3_000;
// How often the place is written down: a kill -9 repeats at most the events of this long.
const saveMs = 1_000;
const batch = 64;
const stopMs = 1_000;
const placeName = 'nats';

export class NatsPublisher {
  readonly #deps: NatsPublisherDeps;
  readonly #stopping = new AbortController();
  readonly #bell = new Bell();
  /** The place of the newest event that NATS has. */
  #place = 0;
  #savedPlace = 0;
  #savedAtMs = Number.NEGATIVE_INFINITY;
  #running: Promise<void> | undefined;

  constructor(deps: NatsPublisherDeps) {
    this.#deps = deps;
  }

  start(): void {
    const stopListening = this.#deps.store.onEvents(() => this.#bell.ring());
    this.#running = this.#run().finally(stopListening);
  }

  async #findPlace(): Promise<void> {
    const found = await this.#deps.store.look([], ({ outbox }) => ({
      saved: outbox.place(placeName) ?? -1,
      last: outbox.lastSeq(),
    }));
    // A first start of publishing begins with now: the state of all bots is published at once, their past is not.
    this.#place = found.saved === -1 ? found.last : found.saved;
    this.#savedPlace = found.saved;
    // The very first place is written down at once: a restart before NATS was ever reached must not move it.
    await this.#save();
  }

  /** Bounded: the rest is published after the next start. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    const over = new AbortController();
    await Promise.race([
      this.#running,
      sleep(this.#deps.clock, stopMs, over.signal).catch(() => undefined), // aborted below: the work ended in time
    ]);
    over.abort();
    await this.#save();
  }

  async #run(): Promise<void> {
    const { clock, logger, target } = this.#deps;
    const { signal } = this.#stopping;
    let tries = 0;
    let found = false;
    while (!signal.aborted) {
      let link: NatsLink | undefined;
      try {
        if (!found) await this.#findPlace();
        found = true;
        link = await openNatsLink(target);
        logger.info({ server: link.server }, 'connected to NATS');
        tries = 0;
        await this.#serve(link);
      } catch (error) {
        if (signal.aborted) return;
        // Once for each outage: it can last for days.
        if (tries++ === 0)
          logger.warn({ servers: target.servers, why: reasonOf(error) }, 'NATS is unreachable; events are queued');
      } finally {
        link?.close();
      }
      await pause(clock, backoffMs(redial, tries), signal);
    }
  }

  /** Until the connection fails, which rejects, or the end. */
  async #serve(link: NatsLink): Promise<void> {
    const { clock } = this.#deps;
    const { signal } = this.#stopping;
    let closed = false;
    // By the bell, not by a race against one promise that lives as long as the connection: each race would stay with it.
    const over = () => {
      closed = true;
      this.#bell.ring();
    };
    inBackground(link.closed.then(over), over);
    let repeatAt = clock.monotonicMs();
    let nextRepeatMs = firstRepeatMs;
    while (!signal.aborted) {
      if (closed) throw new Error('the connection was closed');
      await this.#publishNew(link);
      if (clock.monotonicMs() >= repeatAt) {
        await this.#repeatLatest(link);
        repeatAt = clock.monotonicMs() + nextRepeatMs;
        nextRepeatMs = repeatMs;
      }
      await this.#saveNowAndThen();
      const wait = this.#place === this.#savedPlace ? repeatAt - clock.monotonicMs() : saveMs;
      await this.#bell.wait({ clock, afterMs: Math.max(0, wait), signal });
    }
  }

  async #publishNew(link: NatsLink): Promise<void> {
    const { events } = this.#deps.store;
    while (!this.#stopping.signal.aborted) {
      const records = await events.after(this.#place, batch);
      const last = records.at(-1);
      if (last === undefined) return;
      await link.publish(records.flatMap((record) => this.#messagesOf(record)));
      this.#place = last.seq;
      await this.#saveNowAndThen();
    }
  }

  /** The newest event of each bot once more, for subscribers that came late or lost something. */
  async #repeatLatest(link: NatsLink): Promise<void> {
    const { events } = this.#deps.store;
    await link.findStreams();
    for (let from = 0; !this.#stopping.signal.aborted; ) {
      const records = await events.latestOfBots(from, batch);
      const last = records.at(-1);
      if (last === undefined) return;
      // Newer ones are on their way in their order.
      const known = records.filter(({ seq }) => seq <= this.#place);
      await link.publish(known.flatMap((record) => this.#messagesOf(record)));
      from = last.seq;
    }
  }

  #messagesOf(record: EventRecord): readonly NatsMessage[] {
    const subjects = subjectsOf(record);
    if (subjects === undefined) {
      this.#deps.logger.error({ eventId: record.eventId }, 'an event has no subject to be published on');
      return [];
    }
    const event = this.#deps.render(record);
    const { eventId, seq } = record;
    const binary: NatsMessage = {
      subject: subjects.binary,
      data: toBinary(EventSchema, event.message()),
      messageId: eventId,
      contentType: 'application/protobuf',
      seq,
    };
    if (subjects.json === undefined) return [binary];
    // An id of its own: a stream over both subjects would otherwise drop the twin as a duplicate.
    const json = {
      subject: subjects.json,
      data: Buffer.from(event.json()),
      messageId: `${eventId}.json`,
      contentType: 'application/json',
      seq,
    };
    return [binary, json];
  }

  async #saveNowAndThen(): Promise<void> {
    if (this.#deps.clock.monotonicMs() - this.#savedAtMs >= saveMs) await this.#save();
  }

  async #save(): Promise<void> {
    const place = this.#place;
    if (place === this.#savedPlace) return;
    this.#savedAtMs = this.#deps.clock.monotonicMs();
    try {
      await this.#deps.store.change([], (tx) => tx.outbox.setPlace(placeName, place));
      this.#savedPlace = place;
    } catch (error) {
      // A full disk: after a crash some events come once more, which subscribers have to bear anyway.
      this.#deps.logger.warn({ err: error }, 'the publishing position could not be stored');
    }
  }
}

/** Never the address as it was given: it may hold a login. */
const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : 'unknown').slice(0, 200);
