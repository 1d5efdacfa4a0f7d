import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import { linkSignals, whenAborted } from './abort.ts';

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
