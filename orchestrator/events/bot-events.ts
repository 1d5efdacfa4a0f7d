/** What a user sees of the feed: its bots and jobs, with a snapshot where events cannot be had. The same for all doors. */
import type { BotKey } from '#common/ids.ts';
import { refuse, unwrap } from '#common/problem.ts';
import type { EventRecord } from '../core/records.ts';
import type { Store } from '../store/store.ts';
import { wantBot } from '../store/want.ts';
import type { LiveEvent } from '../views/event.ts';
import type { BotsSnapshot, BotsSnapshots } from './bots-snapshots.ts';
import type { EventFeed, TakeEvent } from './feed.ts';
import { parseResumePoint, resumePoint } from './resume-point.ts';

export interface BotEventsDeps {
  readonly store: Store;
  readonly storeId: string;
  readonly feed: EventFeed;
  readonly snapshots: BotsSnapshots;
}

export interface BotEventsRequest {
  readonly userId: string;
  /** Empty: of all bots. */
  readonly botId: string;
  /** Empty: from now on, after a snapshot or `last` events. */
  readonly resumeFrom: string;
  readonly last: number;
  readonly includeJobs: boolean;
  readonly untilNow: boolean;
}

/** Those that are equal are often the same object, so that what is made of one serves many. */
export type BotEventsItem =
  | { readonly kind: 'event'; readonly event: LiveEvent; readonly resumeFrom: string }
  | BotsSnapshot
  | { readonly kind: 'mark'; readonly resumeFrom: string };

export const lastMax = 1_000;
const lostReason = 'Events since the place to resume from are no longer kept; this is the current state of the bots.';

/** `take`: as for EventFeed.watch. Throws ProblemError: BOT_NOT_FOUND, INVALID_CURSOR, UNAVAILABLE. */
export async function* watchBotEvents(
  deps: BotEventsDeps,
  request: BotEventsRequest,
  signal: AbortSignal,
  take?: TakeEvent,
): AsyncGenerator<BotEventsItem> {
  const { store, storeId, feed, snapshots } = deps;
  const { userId, botId, includeJobs, untilNow } = request;
  const wants = (event: EventRecord): boolean =>
    (botId === '' || event.botId === botId) &&
    (event.body.kind === 'bot' || (includeJobs && event.body.kind === 'job'));
  const at = (seq: number) => resumePoint(storeId, seq);
  if (botId !== '') await assertBotKnown(store, { userId, botId });
  let from = request.resumeFrom === '' ? undefined : unwrap(parseResumePoint(storeId, request.resumeFrom));
  if (request.resumeFrom === '') {
    const snapshot = await snapshots.of(request, '');
    from = snapshot.seq;
    const last = Math.min(request.last, lastMax);
    const events = last > 0 ? await store.events.lastOf(userId, { botId, jobs: includeJobs }, last) : [];
    if (last === 0) yield snapshot;
    for (const record of events) {
      // Later ones come from the feed.
      if (record.seq <= snapshot.seq) yield { kind: 'event', event: feed.render(record), resumeFrom: at(record.seq) };
    }
  }
  // At once, so that everybody has a place to resume from, and knows that the call was taken while nothing happens.
  if (from !== undefined && (request.resumeFrom !== '' || request.last > 0))
    yield { kind: 'mark', resumeFrom: at(from) };
  for await (const item of feed.watch({ userId, wants }, from, signal, { untilNow, ...(take && { take }) })) {
    switch (item.kind) {
      case 'event':
        yield { kind: 'event', event: item.event, resumeFrom: at(item.seq) };
        break;
      case 'reset': {
        // No older than its place: an event after it is at worst sent twice, never missing.
        const snapshot = await snapshots.of(request, lostReason);
        yield snapshot.seq === item.seq ? snapshot : { ...snapshot, resumeFrom: at(item.seq) };
        break;
      }
      case 'mark':
        yield { kind: 'mark', resumeFrom: at(item.seq) };
        break;
    }
  }
}

/** A deleted bot is known as long as its events are kept. */
async function assertBotKnown(store: Store, key: BotKey): Promise<void> {
  const isKnown = await store.look(
    [wantBot(key)],
    (tx) => tx.bots.get(key) !== undefined || tx.outbox.lastBotSeq(key) > 0,
  );
  if (isKnown) return;
  refuse('BOT_NOT_FOUND', `There is no bot named ${key.botId.slice(0, 64)}.`);
}
