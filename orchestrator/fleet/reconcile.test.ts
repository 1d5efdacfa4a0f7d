import { create } from '@bufbuild/protobuf';
import { beforeEach, expect, it } from 'vitest';
import { nextTurn } from '#common/background.ts';
import { DesiredSetSchema } from '#gen/botrunner/v1/worker_service_pb.js';
import { tellWorkers } from './reconcile.ts';
import { SendQueue } from './send-queue.ts';

const sessions = ['a', 'b', 'c'].map((workerId) => ({ workerId, queue: new SendQueue() }));
let asked: string[];
const setOf = async ({ workerId }: { readonly workerId: string }) => {
  asked.push(workerId);
  return { case: 'desiredSet' as const, value: create(DesiredSetSchema, {}) };
};
beforeEach(() => {
  asked = [];
});

it('reads the bots of one worker in a turn of the event loop', async () => {
  const seen: number[] = [];
  const watch = () => {
    seen.push(asked.length);
    if (asked.length < sessions.length) setImmediate(watch);
  };
  setImmediate(watch);
  await tellWorkers(sessions, setOf, new AbortController().signal);
  expect(asked).toEqual(['a', 'b', 'c']);
  expect(seen[0]).toBe(1);
  expect(seen.every((count, index) => count - (seen[index - 1] ?? 0) <= 1)).toBe(true);
});

it('does not wait for one before it begins with the next, but for sixteen', async () => {
  const many = Array.from({ length: 40 }, (_, n) => ({ workerId: `w${n}`, queue: new SendQueue() }));
  const onDisk = Promise.withResolvers<void>();
  const telling = tellWorkers(
    many,
    async (session) => {
      const value = setOf(session);
      await onDisk.promise;
      return value;
    },
    new AbortController().signal,
  );
  // More turns than it would take for all of them.
  for (let turn = 0; turn < 2 * many.length; turn++) await nextTurn();
  expect(asked).toHaveLength(16);
  onDisk.resolve();
  await telling;
  expect(asked).toHaveLength(many.length);
});

it('ends between two workers', async () => {
  const ending = new AbortController();
  const sending = tellWorkers(sessions, setOf, ending.signal);
  ending.abort();
  await sending;
  expect(asked).toEqual(['a']);
});

it('tells the others though one cannot be told, and fails at the end', async () => {
  const nextFor = (session: { readonly workerId: string }) =>
    session.workerId === 'a' ? Promise.reject(new Error('a row is damaged')) : setOf(session);
  await expect(tellWorkers(sessions, nextFor, new AbortController().signal)).rejects.toThrow('a row is damaged');
  expect(asked).toEqual(['b', 'c']);
});
