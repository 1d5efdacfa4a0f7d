import { expect, it } from 'vitest';
import { eventually } from './eventually.ts';

it('returns the first state that holds', async () => {
  let looks = 0;
  const state = await eventually(
    'three looks',
    () => ++looks,
    (count) => count === 3,
    { everyMs: 1 },
  );
  expect(state).toBe(3);
});

it('says what it waited for, for how long, and what it saw last', async () => {
  const waiting = eventually(
    'the bot runs',
    async () => ({ state: 'building' }),
    (bot) => bot.state === 'running',
    { timeoutMs: 30, everyMs: 5 },
  );
  await expect(waiting).rejects.toThrow("the bot runs: not within 30 ms; last seen: { state: 'building' }");
});

it('continues after a look that throws, and shows its error when nothing better came', async () => {
  let looks = 0;
  const read = () => {
    if (++looks < 3) throw new Error('not there');
    return 'there';
  };
  expect(await eventually('it is there', read, (text) => text === 'there', { everyMs: 1 })).toBe('there');
  const never = eventually(
    'it is there',
    () => Promise.reject(new Error('refused')),
    () => true,
    { timeoutMs: 20, everyMs: 5 },
  );
  await expect(never).rejects.toThrow('last seen: an error: refused');
});

it('gives up a look that hangs', async () => {
  const waiting = eventually(
    'it answers',
    () => new Promise<never>(() => {}),
    () => true,
    { timeoutMs: 30 },
  );
  await expect(waiting).rejects.toThrow('last seen: nothing (the first look did not return)');
});

it('ends with the reason of an abort', async () => {
  const abort = new AbortController();
  const waiting = eventually(
    'never',
    () => 0,
    () => false,
    { signal: abort.signal, everyMs: 60_000, timeoutMs: 60_000 },
  );
  abort.abort(new Error('enough'));
  await expect(waiting).rejects.toThrow('enough');
});
