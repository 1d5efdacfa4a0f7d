import { once } from 'node:events';
import { create } from '@bufbuild/protobuf';
import { expect, it } from 'vitest';
import { LogEntrySchema } from '#gen/botrunner/v1/log_pb.js';
import { LiveTail } from './live-tail.ts';
import { LogBatch, type TailMessage } from './log-batch.ts';

const logId = 'ab'.repeat(8);
const line = (seq: number): TailMessage => ({
  tailId: '',
  batch: LogBatch.of([create(LogEntrySchema, { cursor: `${logId}-${seq}`, text: 'tick' })]),
});

/** A bot that prints one line at a time, `lines` in all, and then runs on. */
async function* printing(lines: number, signal: AbortSignal): AsyncGenerator<TailMessage> {
  for (let seq = 1; seq <= lines; seq += 1) yield line(seq);
  await once(signal, 'abort');
}

it('does not keep all that a bot prints one line at a time, however short the lines are', async () => {
  const lines = 5_000;
  const live = new LiveTail({ logId, seq: 0 }, (signal) => printing(lines, signal));
  const { signal } = new AbortController();
  const start = { logId, seq: 0 };
  const stalled = live.read(start, signal);
  const other = live.read(start, signal);
  const firsts = await Promise.all([stalled.next(), other.next()]);
  for (const { value } of firsts) expect(value).toMatchObject({ cursor: `${logId}-1` });
  for (let seq = 2; seq <= lines; seq += 1)
    expect((await other.next()).value).toMatchObject({ cursor: `${logId}-${seq}` });
  // Each of them takes some hundred bytes of memory, whatever is in it.
  expect(await stalled.next()).toEqual({ done: true, value: 'behind' });
  await other.return('over');
});
