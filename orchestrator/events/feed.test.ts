import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { nextTurn } from '#common/background.ts';
import { silentLogger } from '#common/log.ts';
import { eventually } from '../../test/kit/eventually.ts';
import { createManualClock } from '../../test/kit/manual-clock.ts';
import { openSqliteStore } from '../store/sqlite.ts';
import type { Store } from '../store/store.ts';
import type { LiveEvent } from '../views/event.ts';
import { EventFeed, type FeedItem } from './feed.ts';

let dir: string;
let store: Store;
let feed: EventFeed;
let made = 0;
const clock = createManualClock();
const settings = { bufferMax: 4, batch: 3, watchersMax: 5, watchersPerUserMax: 3 };

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'feed-'));
  store = openSqliteStore(dir);
  feed = new EventFeed({ store, clock, logger: silentLogger, runtimeOf: () => '', settings });
});
afterEach(async () => {
  feed.close();
  await store.close();
  rmSync(dir, { recursive: true });
});

const worker = {
  workerId: 'w1',
  condition: 'ready',
  reason: '',
  cordoned: false,
  runtime: 'docker',
  version: '',
  engineVersion: '',
} as const;
/** Events without a bot: what they say does not matter here. */
const add = (count: number, userId = 'ann', at = 0) =>
  store.change([], (tx) => {
    for (let n = 0; n < count; n++) {
      const eventId = `e${++made}`;
      tx.outbox.add({ eventId, userId, botId: '', botSeq: 0, subjectId: 'w1', body: { kind: 'worker', worker }, at });
    }
  });
const ann = { userId: 'ann', wants: () => true };

async function take(items: AsyncGenerator<FeedItem>, count: number): Promise<FeedItem[]> {
  const taken: FeedItem[] = [];
  while (taken.length < count) {
    const { value, done } = await items.next();
    if (done) throw new Error(`the feed ended after ${taken.length} of ${count}`);
    taken.push(value);
  }
  return taken;
}
const seqs = (items: readonly FeedItem[]) => items.map(({ kind, seq }) => (kind === 'event' ? seq : kind));
const upTo = (count: number) => Array.from({ length: count }, (_, index) => index + 1);

describe('the feed', () => {
  it('gives the past from the store and the present as it comes, each once and in order', async () => {
    await add(7);
    const items = feed.watch(ann, 0, new AbortController().signal);
    expect(seqs(await take(items, 5))).toEqual(upTo(5));
    await add(2);
    expect(seqs(await take(items, 4))).toEqual([6, 7, 8, 9]);
    const next = take(items, 1);
    await add(1);
    expect(seqs(await next)).toEqual([10]);
    await items.return(undefined);
  });

  it('keeps little for a watcher that stalls, and loses nothing for it', async () => {
    const items = feed.watch(ann, 0, new AbortController().signal);
    const first = take(items, 1);
    await add(1);
    await first;
    for (let n = 0; n < 50; n++) await add(1);
    expect(seqs(await take(items, 50))).toEqual(upTo(51).slice(1));
    await items.return(undefined);
  });

  it('passes over what is others’ and what was not asked for', async () => {
    await add(5, 'bob');
    await add(2);
    await add(5, 'bob');
    const odd = { userId: 'ann', wants: ({ seq }: { seq: number }) => seq % 2 === 1 };
    const items = feed.watch(odd, 0, new AbortController().signal, { untilNow: true });
    const all: FeedItem[] = [];
    for await (const item of items) all.push(item);
    expect(seqs(all)).toEqual([7]);
  });

  it('says that events are missing where they were removed, and continues from there', async () => {
    await add(10);
    await store.upkeep.pruneEvents({ before: 0, keep: 4, limit: 100 });
    expect(await store.events.floor('ann')).toBe(6);
    const items = feed.watch(ann, 3, new AbortController().signal);
    expect(await take(items, 1)).toEqual([{ kind: 'reset', seq: 10 }]);
    await add(1);
    expect(seqs(await take(items, 1))).toEqual([11]);
    await items.return(undefined);
    // Exactly at the edge nothing is missing.
    const edge = feed.watch(ann, 6, new AbortController().signal);
    expect(seqs(await take(edge, 5))).toEqual([7, 8, 9, 10, 11]);
    await edge.return(undefined);
  });

  it('also says so to a watcher that stalled for so long', async () => {
    const items = feed.watch(ann, 0, new AbortController().signal);
    const first = take(items, 1);
    await add(1);
    await first;
    for (let n = 0; n < 20; n++) await add(1);
    await store.upkeep.pruneEvents({ before: 0, keep: 1, limit: 100 });
    expect(await take(items, 1)).toEqual([{ kind: 'reset', seq: 21 }]);
    await items.return(undefined);
  });

  it('moves the place of a quiet watcher on', async () => {
    const items = feed.watch(ann, 0, new AbortController().signal);
    const quiet = take(items, 1);
    await add(5, 'bob');
    clock.advance(15_000);
    expect(await quiet).toEqual([{ kind: 'mark', seq: 5 }]);
    await items.return(undefined);
  });

  it('has room for so many watchers and no more', async () => {
    const ending = new AbortController();
    const open = upTo(3).map(() => feed.watch(ann, 0, ending.signal));
    const waiting = open.map((items) => items.next());
    await expect(feed.watch(ann, 0, ending.signal).next()).rejects.toThrow('Too many event streams');
    ending.abort();
    await Promise.all(waiting);
    await add(1);
    expect(seqs(await take(feed.watch(ann, 0, new AbortController().signal), 1))).toEqual([1]);
  });
});

describe('a watcher that takes events at once', () => {
  it('gets each once and in order, whether it takes it or leaves it', async () => {
    const taken: number[] = [];
    const odd = ({ record: { seq } }: LiveEvent) => seq % 3 !== 0 && taken.push(seq) > 0;
    const ending = new AbortController();
    const items = feed.watch(ann, 0, ending.signal, { take: odd });
    const given = (async () => {
      for await (const { seq } of items) taken.push(seq);
    })();
    for (let n = 0; n < 10; n++) await add(2);
    await eventually(
      'all are there',
      () => taken.length,
      (count) => count === 20,
    );
    expect(taken).toEqual(upTo(20));
    ending.abort();
    await given;
  });

  it('is left alone with one that cannot be encoded; the others get it', async () => {
    const ending = new AbortController();
    const fails = feed.watch(ann, 0, ending.signal, {
      take: () => {
        throw new Error('it cannot be encoded');
      },
    });
    const [first, second] = [take(fails, 1), take(feed.watch(ann, 0, ending.signal), 1)];
    await add(1);
    expect(seqs([...(await first), ...(await second)])).toEqual([1, 1]);
    ending.abort();
  });

  it('is not marked as quiet after it has taken one', async () => {
    const items = feed.watch(ann, 0, new AbortController().signal, { take: () => true });
    const next = take(items, 1);
    await add(1);
    await add(1, 'bob');
    clock.advance(15_000);
    await add(3, 'bob');
    await nextTurn();
    clock.advance(15_000);
    expect(await next).toEqual([{ kind: 'mark', seq: 5 }]);
    await items.return(undefined);
  });
});
