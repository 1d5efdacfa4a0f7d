import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import { linkSignals, onAbort, orAbort, unlessAborted, whenAborted } from './abort.ts';

const listeners = (signal: AbortSignal) => getEventListeners(signal, 'abort').length;

describe('linked signals', () => {
  it('abort with the first, and with its reason', () => {
    const [a, b] = [new AbortController(), new AbortController()];
    const linked = linkSignals(a.signal, b.signal);
    expect(linked.signal.aborted).toBe(false);
    b.abort('b');
    expect([linked.signal.aborted, linked.signal.reason]).toEqual([true, 'b']);
    expect(listeners(a.signal)).toBe(0);
    expect(linkSignals(a.signal, b.signal).signal.reason).toBe('b');
  });

  it('leave nothing with those they came from', () => {
    const { signal } = new AbortController();
    for (let n = 0; n < 100; n += 1) {
      using _ = linkSignals(signal, new AbortController().signal);
    }
    expect(listeners(signal)).toBe(0);
  });
});

describe('waiting for signals', () => {
  it('ends with the first, and leaves nothing', async () => {
    const [a, b] = [new AbortController(), new AbortController()];
    const waiting = whenAborted(a.signal, b.signal);
    a.abort();
    await waiting;
    await whenAborted(b.signal, a.signal);
    expect([listeners(a.signal), listeners(b.signal)]).toEqual([0, 0]);
  });
});

describe('a listener', () => {
  it('is called once: at the abort, or at once after it; never when it was taken back', () => {
    const controller = new AbortController();
    const calls: string[] = [];
    const takeBack = onAbort(controller.signal, () => calls.push('taken back'));
    onAbort(controller.signal, () => calls.push('before'));
    onAbort(undefined, () => calls.push('no signal'))();
    takeBack();
    controller.abort();
    onAbort(controller.signal, () => calls.push('after'))();
    expect(calls).toEqual(['before', 'after']);
    expect(listeners(controller.signal)).toBe(0);
  });
});

describe('work that may not listen', () => {
  it('is waited for to its end, good or bad, and leaves nothing with the signal', async () => {
    const { signal } = new AbortController();
    expect(await unlessAborted(signal, Promise.resolve(7))).toBe(7);
    await expect(unlessAborted(signal, Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(await orAbort(signal, Promise.resolve(7))).toBe(7);
    await expect(orAbort(signal, Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(listeners(signal)).toBe(0);
  });

  it('is left behind on abort, even if it fails afterwards', async () => {
    const controller = new AbortController();
    let fail = (_: Error): void => undefined;
    const work = new Promise<never>((_, reject) => {
      fail = reject;
    });
    const waiting = unlessAborted(controller.signal, work);
    const refused = orAbort(controller.signal, work);
    controller.abort(new Error('over'));
    expect(await waiting).toBeUndefined();
    await expect(refused).rejects.toThrow('over');
    fail(new Error('too late'));
  });
});
