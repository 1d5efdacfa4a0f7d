import { expect, it } from 'vitest';
import type { SessionResponse } from '#gen/botrunner/v1/worker_service_pb.js';
import { SendQueue } from './send-queue.ts';

type Body = SessionResponse['body'];

const ack = (taskId: string): Body => ({
  case: 'resultAck',
  value: { $typeName: 'botrunner.v1.ResultAck', taskId },
});
const set = (version: bigint): Body => ({
  case: 'desiredSet',
  value: { $typeName: 'botrunner.v1.DesiredSet', bots: [], kept: [], openings: [], version },
});
const textOf = (bodies: readonly Body[]): string =>
  bodies
    .map(({ case: kind, value }) =>
      kind === 'resultAck' ? value.taskId : kind === 'desiredSet' ? `set ${value.version}` : '',
    )
    .join(' ');

/** When what runs now has ended. */
const endOfTurn = () => new Promise<void>((resolve) => setImmediate(resolve));

/** A stream that accepts everything at once, unless it is slow. */
function createStream() {
  const taken: string[] = [];
  const slow: PromiseWithResolvers<boolean>[] = [];
  const state = { isSlow: false, isThere: true };
  return {
    taken,
    state,
    take(bodies: readonly Body[]) {
      taken.push(textOf(bodies));
      if (!state.isSlow) return state.isThere;
      const taking = Promise.withResolvers<boolean>();
      slow.push(taking);
      return taking.promise;
    },
    async drained(isThere = true) {
      slow.shift()?.resolve(isThere);
      await Promise.resolve();
      await Promise.resolve();
    },
  };
}

it('hands over what is queued, then everything pushed within one turn together, until it ends cleanly', async () => {
  const [queue, stream] = [new SendQueue(), createStream()];
  queue.push(ack('a'));
  queue.push(ack('b'));
  const delivered = queue.deliver((bodies) => stream.take(bodies));
  expect(stream.taken).toEqual(['a b']);
  queue.push(ack('c'));
  // As where several wait for one commit.
  Promise.resolve()
    .then(() => undefined)
    .then(() => queue.push(ack('d')));
  await endOfTurn();
  queue.push(ack('e'));
  queue.end();
  expect(queue.push(ack('f'))).toBe(false);
  await delivered;
  expect(stream.taken).toEqual(['a b', 'c d', 'e']);
});

it('keeps the order while the stream is slow, and sends what is queued before a clean end', async () => {
  const [queue, stream] = [new SendQueue(), createStream()];
  const delivered = queue.deliver((bodies) => stream.take(bodies));
  stream.state.isSlow = true;
  queue.push(ack('a'));
  await endOfTurn();
  queue.push(ack('b'));
  queue.push(ack('c'));
  await endOfTurn();
  queue.end();
  expect(stream.taken).toEqual(['a']);
  await stream.drained();
  expect(stream.taken).toEqual(['a', 'b c']);
  await stream.drained();
  await delivered;
});

it('hands over a bounded number at once, and later pushes after them', async () => {
  const queue = new SendQueue();
  const taken: number[] = [];
  for (let n = 0; n < 65; n++) queue.push(ack(`${n}`));
  const delivered = queue.deliver((bodies) => {
    taken.push(bodies.length);
    if (taken.length === 1) queue.push(ack('last'));
    return true;
  });
  queue.end();
  await delivered;
  expect(taken).toEqual([64, 2]);
});

it('drops what waits when it ends with an error, which the reader gets whenever it comes', async () => {
  const [queue, stream] = [new SendQueue(), createStream()];
  stream.state.isSlow = true;
  queue.push(ack('a'));
  const delivered = queue.deliver((bodies) => stream.take(bodies));
  queue.push(ack('b'));
  queue.end(new Error('the connection was lost'));
  queue.end();
  await expect(delivered).rejects.toThrow('the connection was lost');
  await stream.drained();
  expect(stream.taken).toEqual(['a']);
  await expect(queue.deliver((bodies) => stream.take(bodies))).rejects.toThrow('the connection was lost');
});

it('ends when the reader stops, at once or after a while, and when it fails', async () => {
  for (const isSlow of [false, true]) {
    const [queue, stream] = [new SendQueue(), createStream()];
    Object.assign(stream.state, { isSlow, isThere: false });
    queue.push(ack('a'));
    const delivered = queue.deliver((bodies) => stream.take(bodies));
    queue.push(ack('b'));
    await stream.drained(false);
    await delivered;
    expect(stream.taken).toEqual(['a']);
  }
  const queue = new SendQueue();
  const delivered = queue.deliver(() => {
    throw new Error('cannot be encoded');
  });
  queue.push(ack('a'));
  await expect(delivered).rejects.toThrow('cannot be encoded');
});

it('hostile 103: a worker that does not read is cut off', async () => {
  const [queue, stream] = [new SendQueue(2), createStream()];
  stream.state.isSlow = true;
  queue.push(ack('a'));
  const delivered = queue.deliver((bodies) => stream.take(bodies));
  expect(['b', 'c', 'd', 'e'].map((text) => queue.push(ack(text)))).toEqual([true, true, false, false]);
  await expect(delivered).rejects.toThrow('the worker is not reading its session');
});

it('a newer whole set takes the place of one that waits', async () => {
  const [queue, stream] = [new SendQueue(), createStream()];
  stream.state.isSlow = true;
  queue.push(set(1n));
  const delivered = queue.deliver((bodies) => stream.take(bodies));
  for (const body of [set(2n), ack('a'), set(3n)]) queue.push(body);
  stream.state.isSlow = false;
  await stream.drained();
  queue.end();
  await delivered;
  expect(stream.taken).toEqual(['set 1', 'a set 3']);
});

it('can be read by asking: what was given is taken when the next is asked for', async () => {
  const queue = new SendQueue(1);
  const reading = queue.drain();
  queue.push(ack('a'));
  expect((await reading.next()).value).toEqual([ack('a')]);
  expect(queue.push(ack('b'))).toBe(true);
  expect(queue.push(ack('c'))).toBe(false);
  await expect(reading.next()).rejects.toThrow('the worker is not reading its session');
  const clean = new SendQueue();
  clean.push(ack('a'));
  clean.push(ack('b'));
  clean.end();
  const all: string[] = [];
  for await (const bodies of clean.drain()) all.push(textOf(bodies));
  expect(all).toEqual(['a b']);
});
