import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openSqliteStore } from './sqlite.ts';
import type { Store } from './store.ts';
import type { Tables } from './tables.ts';
import { aBot, anEvent } from './testing/rows.ts';

let dir: string;
let store: Store;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'store-'));
  store = openSqliteStore(dir, undefined, { rehearses: true });
});
afterEach(async () => {
  await store.close();
  rmSync(dir, { recursive: true });
});

test('a work that does the same each time is done once', async () => {
  let runs = 0;
  await store.change([], (tx) => {
    runs += 1;
    const before = tx.bots.get({ userId: 'ann', botId: 'b' });
    tx.bots.put(aBot('b', { generation: (before?.generation ?? 0) + 1 }));
    tx.outbox.add(anEvent('e', 'b'));
    tx.artifacts.addChunk('u', 0, Buffer.from('x'));
  });
  expect(runs).toBe(2);
  expect((await store.look([], (tx) => tx.bots.get({ userId: 'ann', botId: 'b' })))?.generation).toBe(1);
  expect(store.lastSeq()).toBe(1);
  expect(await store.chunks.chunk('u', 0)).toBeDefined();
});

test.each([
  ['a clock', (n: number) => (tx: Tables) => tx.bots.put(aBot('b', { updatedAt: n }))],
  ['an id of its own', (n: number) => (tx: Tables) => tx.outbox.add(anEvent(`e${n}`, 'b'))],
  ['what it remembers', (n: number) => () => n],
])('a work that depends on %s fails and leaves nothing behind', async (_name, work) => {
  let n = 0;
  await expect(store.change([], (tx) => work(++n)(tx))).rejects.toThrow('did not do the same');
  expect(await store.look([], (tx) => tx.bots.ofUser('ann'))).toEqual([]);
  expect(store.lastSeq()).toBe(0);
});
