import { Writable } from 'node:stream';
import { expect, it } from 'vitest';
import { Interrupted } from '../failures/errors.ts';
import { write } from '../text/write.ts';

/** A reader that takes nothing until `take` is called. */
function slowStream() {
  const takers: (() => void)[] = [];
  const stream = new Writable({ highWaterMark: 4, write: (_chunk, _encoding, done) => takers.push(done) });
  return { stream, take: () => takers.shift()?.() };
}

it('waits while the reader is slow', async () => {
  const { stream, take } = slowStream();
  let over = false;
  const writing = write(stream, 'more than four', new AbortController().signal).then(() => {
    over = true;
  });
  await Promise.resolve();
  expect(over).toBe(false);
  take();
  await writing;
  expect(stream.listenerCount('drain')).toBe(0);
});

it('ends with the interruption, or when the reader goes away', async () => {
  const ending = new AbortController();
  const writing = write(slowStream().stream, 'more than four', ending.signal);
  ending.abort(new Interrupted());
  await expect(writing).rejects.toBeInstanceOf(Interrupted);
  const { stream } = slowStream();
  const left = write(stream, 'more than four', new AbortController().signal);
  stream.destroy();
  await left;
});
