import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import { eventually } from '../../test/kit/eventually.ts';
import { fairSemaphore, Semaphore } from './semaphore.ts';

describe('the permits of a fair semaphore', () => {
  const never = new AbortController().signal;

  it('are given in the order of asking', async () => {
    const slots = fairSemaphore(1);
    const order: string[] = [];
    const first = await slots.acquire(never);
    const others = ['b', 'c'].map(async (name) => {
      const release = await slots.acquire(never);
      order.push(name);
      release();
    });
    first();
    first();
    await Promise.all(others);
    expect(order).toEqual(['b', 'c']);
  });

  /** Who gets a slot, in order, as earlier ones are released; each asks for as many as its name says. */
  async function order(count: number, asked: string): Promise<string> {
    const slots = fairSemaphore(count);
    const served: string[] = [];
    const releases: (() => void)[] = [];
    const all = [...asked].map((user) =>
      slots.acquire(never, user).then((release) => {
        served.push(user);
        releases.push(release);
      }),
    );
    for (let n = 0; n < asked.length; n += 1) {
      await eventually(
        'somebody is served',
        () => releases.length,
        (length) => length > n,
      );
      releases[n]?.();
    }
    await Promise.all(all);
    return served.join('');
  }

  it('go round among users, however many one of them asks for', async () => {
    expect(await order(1, 'bbbbbac')).toBe('bacbbbb');
    expect(await order(1, 'bbbaaa')).toBe('bababa');
    expect(await order(3, 'bbbbba')).toMatch(/^bba/);
  });

  it('are never all one user’s: one is there for the others at once', async () => {
    const slots = fairSemaphore(2);
    await slots.acquire(never, 'bob');
    let second = false;
    const waiting = slots.acquire(never, 'bob').then((release) => {
      second = true;
      return release;
    });
    const alices = await slots.acquire(never, 'alice');
    expect(second).toBe(false);
    alices();
    expect(second).toBe(false);
    (await slots.acquire(never, 'carol'))();
    expect(second).toBe(false);
    void waiting;
  });

  it('keep nothing of users who are gone', async () => {
    const slots = fairSemaphore(1);
    const release = await slots.acquire(never, 'a');
    const controller = new AbortController();
    const givenUp = slots.acquire(controller.signal, 'b');
    controller.abort(new Error('no longer'));
    await expect(givenUp).rejects.toThrow('no longer');
    release();
    (await slots.acquire(never, 'c'))();
  });

  it('do not count one who gave up waiting', async () => {
    const slots = fairSemaphore(1);
    const release = await slots.acquire(never);
    const controller = new AbortController();
    const givenUp = slots.acquire(controller.signal);
    controller.abort(new Error('no longer'));
    await expect(givenUp).rejects.toThrow('no longer');
    release();
    (await slots.acquire(never))();
  });
});

describe('a semaphore', () => {
  it('runs no more than it has permits for, in the order of asking, whatever fails', async () => {
    const semaphore = new Semaphore(2);
    const { signal } = new AbortController();
    const began: number[] = [];
    let [now, most] = [0, 0];
    const run = (n: number) =>
      semaphore.run(signal, async () => {
        began.push(n);
        now += 1;
        most = Math.max(most, now);
        await Promise.resolve();
        now -= 1;
        if (n === 1) throw new Error('the second one');
        return n;
      });
    const ended = await Promise.allSettled([0, 1, 2, 3, 4].map(run));
    expect(ended.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'fulfilled', 'fulfilled']);
    expect([began, most]).toEqual([[0, 1, 2, 3, 4], 2]);
  });

  it('runs nothing for who left, and leaves nothing with the signal of who waited', async () => {
    const semaphore = new Semaphore(1);
    const [stays, leaves] = [new AbortController(), new AbortController()];
    const release = await semaphore.acquire(stays.signal);
    const left = semaphore.run(leaves.signal, () => Promise.reject(new Error('it ran')));
    const waiting = semaphore.acquire(stays.signal);
    leaves.abort(new Error('no longer'));
    await expect(left).rejects.toThrow('no longer');
    release();
    (await waiting)();
    expect(getEventListeners(stays.signal, 'abort')).toHaveLength(0);
  });
});
