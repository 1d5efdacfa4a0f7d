import { expect, test } from 'vitest';
import { inOrder, MessagesInOrder } from './in-order.ts';

/** Messages that come as fast as they are read, and handlers that end when the test lets them. */
function stage(count: number) {
  const ends = new Map<number, PromiseWithResolvers<void>>();
  const begun: number[] = [];
  async function* messages() {
    for (let n = 0; n < count; n++) yield n;
  }
  const handle = (n: number) => {
    begun.push(n);
    const end = Promise.withResolvers<void>();
    ends.set(n, end);
    return end.promise;
  };
  return { begun, handle, end: (n: number) => ends.get(n), incoming: messages()[Symbol.asyncIterator]() };
}

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

test('messages begin in order, at most so many at once, whatever order they end in', async () => {
  const { begun, handle, end, incoming } = stage(5);
  const done = inOrder(incoming, { handle, underWayMax: 3, continues: () => true }, () => undefined);
  await turn();
  expect(begun).toEqual([0, 1, 2]);
  end(1)?.resolve();
  await turn();
  expect(begun).toEqual([0, 1, 2, 3]);
  for (const n of [0, 2, 3]) end(n)?.resolve();
  await turn();
  end(4)?.resolve();
  await done;
  expect(begun).toEqual([0, 1, 2, 3, 4]);
});

test('none begins after a failure, which is reported at once; the end waits for what was under way', async () => {
  const { begun, handle, end, incoming } = stage(10);
  const told: unknown[] = [];
  let over = false;
  const done = inOrder(incoming, { handle, underWayMax: 3, continues: () => true }, (error) => told.push(error));
  done
    .catch(() => undefined)
    .finally(() => {
      over = true;
    });
  await turn();
  end(1)?.reject(new Error('the disk is full'));
  end(2)?.reject(new Error('and again'));
  await turn();
  expect(told).toEqual([new Error('the disk is full')]);
  expect(over).toBe(false);
  end(0)?.resolve();
  await expect(done).rejects.toThrow('the disk is full');
  expect(begun).toEqual([0, 1, 2]);
});

test('a session that another one has taken over handles nothing more', async () => {
  const { begun, handle, end, incoming } = stage(10);
  const done = inOrder(incoming, { handle, underWayMax: 8, continues: () => begun.length < 2 }, () => undefined);
  await turn();
  for (const n of [0, 1]) end(n)?.resolve();
  await done;
  expect(begun).toEqual([0, 1]);
});

/** A handler that messages are pushed to, and what the pusher hears of it. */
function pushed(handle: (n: number) => Promise<void> | undefined) {
  const told: string[] = [];
  const messages = new MessagesInOrder<number>({
    handle,
    underWayMax: 2,
    continues: () => true,
    failed: (error) => told.push(`failed: ${error}`),
    room: () => told.push('room'),
    over: (failure) => told.push(`over: ${failure?.error ?? 'cleanly'}`),
  });
  return { messages, told };
}

test('the pusher hears when there are enough, when more may come, and when all are handled', async () => {
  const { handle, end, begun } = stage(0);
  const { messages, told } = pushed((n) => (n === 0 ? undefined : handle(n)));
  expect([0, 1, 0, 2].map((n) => messages.take(n))).toEqual([true, true, true, false]);
  end(1)?.resolve();
  await turn();
  expect(told).toEqual(['room']);
  expect(messages.take(3)).toBe(false);
  messages.end();
  expect(messages.take(4)).toBe(false);
  for (const n of [2, 3]) end(n)?.resolve();
  await turn();
  expect(begun).toEqual([1, 2, 3]);
  expect(told).toEqual(['room', 'over: cleanly']);
});

test('the pusher hears of a failure once, and of the end once all that was under way has ended', async () => {
  const { handle, end } = stage(0);
  const { messages, told } = pushed(handle);
  messages.take(1);
  messages.take(2);
  end(1)?.reject('the disk is full');
  await turn();
  messages.end({ error: 'the connection was lost' });
  expect(told).toEqual(['failed: the disk is full']);
  end(2)?.reject('and again');
  await turn();
  expect(told).toEqual(['failed: the disk is full', 'over: the disk is full']);
  const thrown = pushed(() => {
    throw 'not one of ours';
  });
  expect(thrown.messages.take(1)).toBe(false);
  expect(thrown.told).toEqual(['failed: not one of ours', 'over: not one of ours']);
});
