/** What a user sees of the feed: its bots and jobs, with a snapshot where events cannot be had. The same for all doors. */
import type { BotKey } from '#common/ids.ts';
import { refuse, unwrap } from '#common/problem.ts';
import type { EventRecord } from '../core/records.ts';
import type { Fleet } from '../fleet/fleet.ts';
import type { Store } from '../store/store.ts';
import type { BotView } from '../views/bot-view.ts';
import type { LiveEvent } from '../views/event.ts';
import type { EventFeed } from './feed.ts';
import { parseResumePoint, resumePoint } from './resume-point.ts';

export interface BotEventsDeps {
  readonly store: Store;
  readonly storeId: string;
  readonly fleet: Fleet;
  readonly feed: EventFeed;
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

export type BotEventsItem = { readonly resumeFrom: string } & (
  | { readonly kind: 'event'; readonly event: LiveEvent }
  | { readonly kind: 'snapshot'; readonly bots: readonly BotView[]; readonly reason: string }
  | { readonly kind: 'mark' }
);

export const lastMax = 1_000;
const lostReason = 'Events since the place to resume from are no longer kept; this is the current state of the bots.';

/** Throws ProblemError: BOT_NOT_FOUND, INVALID_CURSOR, UNAVAILABLE. */
export async function* watchBotEvents(
  deps: BotEventsDeps,
  request: BotEventsRequest,
  signal: AbortSignal,
): AsyncGenerator<BotEventsItem> {
  const { store, storeId, feed } = deps;
  const { userId, botId, includeJobs, untilNow } = request;
  const wants = (event: EventRecord): boolean =>
    (botId === '' || event.botId === botId) &&
    (event.body.kind === 'bot' || (includeJobs && event.body.kind === 'job'));
  const at = (seq: number) => ({ resumeFrom: resumePoint(storeId, seq) });
  if (botId !== '') assertBotKnown(store, { userId, botId });
  const from = request.resumeFrom === '' ? feed.now() : unwrap(parseResumePoint(storeId, request.resumeFrom));
  if (request.resumeFrom === '') {
    const last = Math.min(request.last, lastMax);
    // Taken in one turn with `from`: nothing is missing in between, nothing occurs twice.
    const events = last > 0 ? store.read.outbox.lastOf(userId, { botId, jobs: includeJobs }, last) : [];
    if (last === 0) yield { kind: 'snapshot', bots: botsOf(deps, request), reason: '', ...at(feed.now()) };
    for (const record of events) yield { kind: 'event', event: feed.render(record), ...at(record.seq) };
  }
  // At once, so that everybody has a place to resume from, and knows that the call was taken while nothing happens.
  if (from !== undefined && (request.resumeFrom !== '' || request.last > 0)) yield { kind: 'mark', ...at(from) };
  for await (const item of feed.watch({ userId, wants }, from, signal, { untilNow })) {
    switch (item.kind) {
      case 'event':
        yield { kind: 'event', event: item.event, ...at(item.seq) };
        break;
      case 'reset':
        // No older than its place: an event after it is at worst sent twice, never missing.
        yield { kind: 'snapshot', bots: botsOf(deps, request), reason: lostReason, ...at(item.seq) };
        break;
      case 'mark':
        yield { kind: 'mark', ...at(item.seq) };
        break;
    }
  }
}

const botsOf = ({ store, fleet }: BotEventsDeps, { userId, botId }: BotEventsRequest): readonly BotView[] =>
  store.read.bots
    .ofUser(userId)
    .filter((bot) => botId === '' || bot.botId === botId)
    .map((bot) => fleet.view(bot));

/** A deleted bot is known as long as its events are kept. */
function assertBotKnown({ read }: Store, key: BotKey): void {
  if (read.bots.get(key) !== undefined || read.outbox.lastBotSeq(key) > 0) return;
  refuse('BOT_NOT_FOUND', `There is no bot named ${key.botId.slice(0, 64)}.`);
}
