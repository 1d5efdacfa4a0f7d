import { getEventListeners } from 'node:events';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AsyncQueue } from './async-queue.ts';

async function readAll<T>(queue: AsyncQueue<T>, signal?: AbortSignal): Promise<T[]> {
  const values: T[] = [];
  for await (const value of queue.read(signal)) values.push(value);
  return values;
}

describe('a queue for one reader', () => {
  it('gives out what went in, in order, whenever it is read', async () => {
    const steps = fc.array(fc.oneof(fc.constant('read' as const), fc.integer()), { maxLength: 400 });
    await fc.assert(
      fc.asyncProperty(steps, async (all) => {
        const queue = new AsyncQueue<number>(1000);
        const reading = queue.read();
        const [pushed, read]: [number[], number[]] = [[], []];
        for (const step of all) {
          if (step !== 'read') {
            pushed.push(step);
            queue.push(step);
          } else if (queue.size > 0) read.push((await reading.next()).value ?? Number.NaN);
        }
        queue.end();
        for await (const value of reading) read.push(value);
        expect(read).toEqual(pushed);
      }),
    );
  });

  it('wakes a reader that waits: for a value, for the end', async () => {
    const queue = new AsyncQueue<string>(10);
    const reading = readAll(queue);
    await Promise.resolve();
    queue.push('a');
    await Promise.resolve();
    queue.push('b');
    queue.end();
    expect(await reading).toEqual(['a', 'b']);
    expect(queue.push('c')).toBe(false);
  });

  it('takes no more than its bound, or drops the oldest, as its owner wishes', async () => {
    const queue = new AsyncQueue<number>(2);
    expect([1, 2, 3].map((value) => queue.push(value))).toEqual([true, true, false]);
    expect([queue.isFull, queue.pushNewest(4), queue.size]).toEqual([true, true, 2]);
    queue.end();
    expect(queue.pushNewest(5)).toBe(false);
    expect(await readAll(queue)).toEqual([2, 4]);
  });

  it('that ends with an error drops what waits and throws it; the first end counts', async () => {
    const queue = new AsyncQueue<number>(10);
    queue.push(1);
    queue.end(new Error('cut'));
    queue.end();
    await expect(readAll(queue)).rejects.toThrow('cut');
    expect(queue.size).toBe(0);
  });

  it('lets go of unwanted values among those that wait', async () => {
    const queue = new AsyncQueue<number>(100);
    for (let n = 0; n < 10; n += 1) queue.push(n);
    const reading = queue.read();
    await reading.next();
    queue.drop((n) => n % 2 === 0);
    queue.end();
    expect(await readAll(queue)).toEqual([1, 3, 5, 7, 9]);
  });

  it('ends with a signal and leaves nothing with it', async () => {
    const { signal } = new AbortController();
    const controller = new AbortController();
    const queue = new AsyncQueue<number>(10);
    const letGo = queue.endOnAbort(signal);
    const reading = readAll(queue, controller.signal);
    await Promise.resolve();
    controller.abort();
    expect(await reading).toEqual([]);
    letGo();
    expect([signal, controller.signal].map((of) => getEventListeners(of, 'abort').length)).toEqual([0, 0]);
  });
});
