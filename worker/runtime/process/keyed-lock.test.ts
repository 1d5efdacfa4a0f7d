import { describe, expect, test } from 'vitest';
import { createKeyedLock } from './keyed-lock.ts';

describe('a keyed lock', () => {
  test('runs work on one key in order, also after a failure, and other keys beside it', async () => {
    const lock = createKeyedLock();
    const seen: string[] = [];
    const first = Promise.withResolvers<void>();
    const results = Promise.allSettled([
      lock.run('a', async () => {
        await first.promise;
        seen.push('a1');
        throw new Error('a1 failed');
      }),
      lock.run('a', async () => {
        seen.push('a2');
      }),
      lock.run('b', async () => {
        seen.push('b1');
        first.resolve();
      }),
    ]);
    expect((await results).map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'fulfilled']);
    expect(seen).toEqual(['b1', 'a1', 'a2']);
  });
});
