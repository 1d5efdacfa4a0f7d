import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { ProblemError } from '#common/problem.ts';
import { BodyBudget } from '../admission/body-budget.ts';
import { bodyKinds } from '../admission/body-kinds.ts';
import type { NodeRequest } from '../node-http.ts';
import { BodyBrokenOffError, BodyTooLargeError, bodyBytes } from './request-bytes.ts';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

const granted = { identity: undefined, turn: () => undefined, large: undefined };

/** A body that comes as it is written to `incoming`, read to its end. */
function read(headers: Record<string, string> = {}, kind: keyof typeof bodyKinds = 'small') {
  const incoming = Object.assign(new PassThrough(), { headers });
  const hold = new BodyBudget().hold('a');
  // As far as a body is concerned, a stream is a request.
  const bytes = bodyBytes(incoming as unknown as NodeRequest, { ...granted, body: bodyKinds[kind], hold });
  const whole = (async () => {
    let length = 0;
    for await (const piece of bytes) length += piece.length;
    return length;
  })();
  return { incoming, whole: whole.catch((error: unknown) => error), hold };
}

describe('a body', () => {
  it('is read to its end', async () => {
    const { incoming, whole } = read();
    incoming.write('ab');
    incoming.end('c');
    expect(await whole).toBe(3);
  });

  it('is refused by the length that it says, and by the one that it has', async () => {
    expect(await read({ 'content-length': '300000' }).whole).toBeInstanceOf(BodyTooLargeError);
    const { incoming, whole } = read();
    incoming.write(Buffer.alloc(300_000));
    expect(await whole).toBeInstanceOf(BodyTooLargeError);
  });

  it('that stops is over after 20 s', async () => {
    const { incoming, whole } = read();
    incoming.write('a');
    await vi.advanceTimersByTimeAsync(21_000);
    expect(((await whole) as ProblemError).problem.code).toBe('REQUEST_TIMEOUT');
  });

  it('that comes byte by byte is over after a minute', async () => {
    const { incoming, whole } = read();
    for (let n = 0; n < 7; n++) {
      incoming.write('a');
      await vi.advanceTimersByTimeAsync(10_000);
    }
    expect(((await whole) as ProblemError).problem.code).toBe('REQUEST_TIMEOUT');
  });

  it('has as long again when its reader took long for a piece', async () => {
    const incoming = Object.assign(new PassThrough(), { headers: {} });
    const hold = new BodyBudget().hold('a');
    const request = incoming as unknown as NodeRequest; // as above
    const bytes = bodyBytes(request, { ...granted, body: bodyKinds.upload, hold });
    incoming.write('a');
    await bytes.next();
    await vi.advanceTimersByTimeAsync(180_000);
    const second = bytes.next();
    await vi.advanceTimersByTimeAsync(50_000);
    incoming.end('b');
    expect(String((await second).value)).toBe('b');
    expect((await bytes.next()).done).toBe(true);
  });

  it('of a stream that lasts may pause for an hour', async () => {
    const { incoming, whole } = read({}, 'worker');
    incoming.write('a');
    await vi.advanceTimersByTimeAsync(3_600_000);
    incoming.end('b');
    expect(await whole).toBe(2);
  });

  it('that is given up for another is over at once, though nothing comes any more', async () => {
    const { incoming, whole, hold } = read();
    incoming.write('a');
    await vi.advanceTimersByTimeAsync(1);
    hold.holds(64 * 1024 * 1024);
    expect(((await whole) as ProblemError).problem.code).toBe('RATE_LIMITED');
  });

  it('whose sender leaves is broken off', async () => {
    const { incoming, whole } = read();
    incoming.write('a');
    await vi.advanceTimersByTimeAsync(1);
    incoming.destroy();
    expect(await whole).toBeInstanceOf(BodyBrokenOffError);
  });
});
