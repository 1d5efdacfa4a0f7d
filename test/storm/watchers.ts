/** Who looks on during a storm: a reader of each user's events, which resumes where it was cut off, and a subscriber of NATS. */
import { setTimeout as pause } from 'node:timers/promises';
import { connect, type NatsConnection } from 'nats';
import { readEvents } from '../kit/event-reader.ts';
import type { JsonBody } from '../kit/orchestrator-for-tests.ts';
import type { EventSeen } from './record.ts';

export interface EventWatcher {
  readonly seen: readonly EventSeen[];
  close(): Promise<void>;
}

/** A quiet stream sends a mark every 15 s; one that is silent for longer hangs. */
const silenceMs = 25_000;
const againMs = 500;

export function watchEvents(url: string, token: string): EventWatcher {
  const seen: EventSeen[] = [];
  const closed = new AbortController();
  let lastEventId = '';
  const once = async () => {
    const reader = await readEvents(url, { token, lastEventId });
    let taken = 0;
    let lastId = lastEventId;
    let changedAt = performance.now();
    const take = () => {
      for (const { event, data } of reader.frames.slice(taken)) seen.push({ kind: event, data });
      taken = reader.frames.length;
      if (reader.lastId() !== lastId) {
        lastId = reader.lastId();
        changedAt = performance.now();
      }
      lastEventId = lastId;
    };
    const ended = reader.ended.then(
      () => true,
      () => true,
    );
    for (;;) {
      const over = await Promise.race([ended, pause(200).then(() => closed.signal.aborted)]);
      if (over || performance.now() - changedAt > silenceMs) break;
      take();
    }
    reader.close();
    await ended;
    take();
  };
  const running = (async () => {
    while (!closed.signal.aborted) {
      await once().catch(() => undefined); // refused or not reached: tried again
      if (!closed.signal.aborted) await pause(againMs);
    }
  })();
  return {
    seen,
    async close() {
      closed.abort();
      await running;
    },
  };
}

export interface NatsWatcher {
  /** The newest event of each bot that is not deleted, by `user/bot`. */
  readonly newest: ReadonlyMap<string, JsonBody>;
  close(): Promise<void>;
}

/** Follows the bots as docs/EVENTS.md says: of each bot the event with the highest seq counts. */
export async function watchNats(url: string): Promise<NatsWatcher> {
  const connection: NatsConnection = await connect({
    servers: url,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 200,
    pingInterval: 2_000,
  });
  const newest = new Map<string, JsonBody>();
  const subscription = connection.subscribe('botrunner.v1.json.events.>');
  const reading = (async () => {
    for await (const { data } of subscription) {
      const event = JSON.parse(new TextDecoder().decode(data));
      const bot = `${event.user_id}/${event.bot_id}`;
      if (event.seq > (newest.get(bot)?.seq ?? 0)) newest.set(bot, event);
    }
  })();
  return {
    newest,
    async close() {
      await connection.close();
      await reading;
    },
  };
}
