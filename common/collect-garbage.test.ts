import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { createGarbageCollector } from './collect-garbage.ts';

it('collects what nothing refers to', async () => {
  const collect = createGarbageCollector();
  const dead = new WeakRef({ of: 'this test' });
  // What a WeakRef was made for stays until the turn is over.
  await nextTurn();
  collect();
  expect(dead.deref()).toBeUndefined();
});
