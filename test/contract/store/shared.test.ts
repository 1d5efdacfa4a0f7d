/** Several stores on one database, and a network that fails: what was answered happened once, what was refused did not happen. */
import { expect, it } from 'vitest';
import { ProblemError } from '#common/problem.ts';
import { createStore } from '../../../orchestrator/store/create-store.ts';
import type { Store } from '../../../orchestrator/store/store.ts';
import { createMemoryBackend, type MemoryFaults } from '../../../orchestrator/store/testing/memory-backend.ts';
import { MemoryDatabase } from '../../../orchestrator/store/testing/memory-database.ts';
import { aBot, anEvent } from '../../../orchestrator/store/testing/rows.ts';
import { createRandom } from '../../fuzz/random.ts';

const key = { userId: 'ann', botId: 'echo' };

function storesOn(
  database: MemoryDatabase,
  count: number,
  seed: number,
  faults: Omit<MemoryFaults, 'random'>,
): Store[] {
  return Array.from({ length: count }, (_, node) => {
    const { next } = createRandom(seed, node);
    return createStore(createMemoryBackend(database, { ...faults, random: next }), { rehearses: true });
  });
}

/** Counts the bot up and reports it by an event of that name. */
const count = (store: Store, eventId: string) =>
  store.change([], (tx) => {
    const generation = (tx.bots.get(key)?.generation ?? 0) + 1;
    const { seq } = tx.outbox.add(anEvent(eventId, 'echo', generation));
    tx.bots.put(aBot('echo', { generation, decidedSeq: seq }));
  });

it('two stores that decide about one bot lose no decision, and number events in the order of commits', async () => {
  const database = new MemoryDatabase();
  const stores = storesOn(database, 2, 1, { delay: 0.5 });
  await Promise.all(
    Array.from({ length: 60 }, async (_, n) => {
      const store = stores[n % 2];
      if (store === undefined) throw new Error('there are two');
      // Some together, some one after the other.
      if (n >= 20) await store.look([], () => undefined);
      await count(store, `e${n}`);
    }),
  );
  expect(database.kind('bots').get('ann/echo')?.generation).toBe(60);
  expect(database.events.map(({ seq }) => seq)).toEqual(Array.from({ length: 60 }, (_, n) => n + 1));
  expect(database.events.map(({ botSeq }) => botSeq)).toEqual(database.events.map(({ seq }) => seq));
  // The decision is as late as the event that reports it, whoever committed in between.
  expect(database.kind('bots').get('ann/echo')?.decidedSeq).toBe(60);
});

it('three stores give three places to three of thirty who ask at once', async () => {
  const database = new MemoryDatabase();
  const stores = storesOn(database, 3, 2, { delay: 0.5 });
  const asked = Array.from({ length: 30 }, async (_, n) =>
    stores[n % 3]?.change([], (tx) => {
      if (tx.bots.activeOf('ann').size >= 3) throw new Error('no more');
      tx.bots.put(aBot(`b${n}`));
    }),
  );
  const ended = await Promise.allSettled(asked);
  expect(ended.filter(({ status }) => status === 'fulfilled')).toHaveLength(3);
  expect(database.kind('bots').size).toBe(3);
});

it('one Telegram token has one owner, whichever store is asked', async () => {
  const database = new MemoryDatabase();
  const stores = storesOn(database, 3, 3, { delay: 0.5 });
  const ended = await Promise.allSettled(
    stores.map((store, n) =>
      store.change([], (tx) => {
        if (tx.telegramTokens.owner('k') !== undefined) throw new Error('in use');
        tx.telegramTokens.put('k', { userId: 'ann', botId: `b${n}` });
      }),
    ),
  );
  expect(ended.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
});

it.each([1, 2, 3, 4, 5, 6, 7, 8])(
  'with cut connections, conflicts and delays (seed %i), nothing is lost or done twice',
  async (seed) => {
    const database = new MemoryDatabase();
    const stores = storesOn(database, 2, seed, { conflict: 0.1, delay: 0.2, unknown: 0.3, unavailable: 0.05 });
    const answered = new Set<string>();
    const refused = new Set<string>();
    await Promise.all(
      Array.from({ length: 80 }, async (_, n) => {
        const store = stores[n % 2];
        // In waves, so that there are batches of one and of many.
        for (let wave = 0; wave < n % 5; wave++) await store?.look([], () => undefined);
        try {
          if (store !== undefined) await count(store, `e${n}`);
          answered.add(`e${n}`);
        } catch (error) {
          if (!(error instanceof ProblemError)) throw error;
          refused.add(`e${n}`);
        }
      }),
    );
    await Promise.all(stores.map((store) => store.close()));
    const happened = database.events.map(({ eventId }) => eventId);
    expect(new Set(happened).size).toBe(happened.length);
    expect([...answered].filter((eventId) => !happened.includes(eventId))).toEqual([]);
    expect([...refused].filter((eventId) => happened.includes(eventId))).toEqual([]);
    expect(database.kind('bots').get('ann/echo')?.generation).toBe(answered.size);
    expect(database.events.map(({ seq }) => seq)).toEqual(happened.map((_, n) => n + 1));
    expect(answered.size).toBeGreaterThan(40);
  },
);

it('asks what became of a commit before it decides anew: one that did not ask would do it twice', async () => {
  const add = (store: Store) => store.change([], (tx) => tx.outbox.add(anEvent(`e${tx.outbox.lastSeq()}`, 'echo')));
  const isLate = () => lots(0.1, 0.5);
  const asking = new MemoryDatabase();
  await add(createStore(createMemoryBackend(asking, { random: isLate(), unknown: 0.5 })));
  expect(asking.events).toHaveLength(1);
  const blind = new MemoryDatabase();
  const backend = createMemoryBackend(blind, { random: isLate(), unknown: 0.5 });
  await add(createStore({ ...backend, outcome: async () => undefined }));
  expect(blind.events).toHaveLength(2);
});

/** These, and then nothing happens. */
function lots(...values: readonly number[]): () => number {
  const left = [...values];
  return () => left.shift() ?? 1;
}
