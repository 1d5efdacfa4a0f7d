/** What becomes of a batch whose database does not answer. */
import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { ProblemError } from '#common/problem.ts';
import { attempt } from './attempt.ts';
import { type Backend, Unavailable } from './backend.ts';
import { createStore } from './create-store.ts';
import type { Tables } from './tables.ts';
import { createMemoryBackend } from './testing/memory-backend.ts';
import { MemoryDatabase } from './testing/memory-database.ts';
import { aBot } from './testing/rows.ts';

async function cut(maybe: boolean): Promise<never> {
  await setImmediate();
  throw new Unavailable('the connection was cut', maybe);
}

/** The answer of a change on a backend like this. */
async function answerOf(unlike: Partial<Backend>): Promise<unknown> {
  const backend = { ...createMemoryBackend(new MemoryDatabase()), ...unlike };
  const answer = Promise.withResolvers<unknown>();
  const { resolve, reject } = answer;
  const work = (tx: Tables) => tx.bots.put(aBot('echo'));
  const nothing = () => undefined;
  const parts = { backend, rehearses: true, pause: async () => undefined, took: nothing, committed: nothing };
  await Promise.all([attempt(parts, [{ work, wants: [], resolve, reject }]), answer.promise.catch(nothing)]);
  return answer.promise.catch((error: unknown) => error);
}

const problemOf = (error: unknown) => (error instanceof ProblemError ? error.problem : error);

test('a change whose commits never arrive is refused in the end', async () => {
  let commits = 0;
  const commit = () => {
    commits += 1;
    return cut(true);
  };
  expect(problemOf(await answerOf({ commit, outcome: async () => undefined }))).toMatchObject({ code: 'UNAVAILABLE' });
  expect(commits).toBeGreaterThan(1);
});

test('nobody is told that nothing was changed when that is not known', async () => {
  const answer = await answerOf({ commit: () => cut(true), outcome: () => cut(false) });
  expect(problemOf(answer)).toMatchObject({ code: 'UNAVAILABLE', message: expect.stringContaining('not known') });
});

test('a look at a store that does not answer is refused as a change is', async () => {
  const store = createStore({ ...createMemoryBackend(new MemoryDatabase()), load: () => cut(false) });
  const answer = await store.look([], () => undefined).catch((error: unknown) => error);
  expect(problemOf(answer)).toMatchObject({ code: 'UNAVAILABLE' });
});
