import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import { create } from '@bufbuild/protobuf';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '#common/clock.ts';
import { silentLogger } from '#common/log.ts';
import { OpenTailSchema, type TailLogsRequest } from '#gen/botrunner/v1/worker_service_pb.js';
import { eventually } from '../../test/kit/eventually.ts';
import { BotLogs } from '../logs/bot-logs.ts';
import { LogStream } from '../logs/log-entry.ts';
import type { Channel, TailCall } from './channel.ts';
import { Tails } from './tails.ts';

let dir = '';
const never = new AbortController().signal;
let logs: BotLogs;
const key = { userId: 'dev', botId: 'echo' };
const source = {
  readOutput: () => Promise.reject(new Error('no container here')),
  watchOutput: () => Promise.reject(new Error('no container here')),
};

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'tails-'));
  logs = new BotLogs(dir, { runtime: source, clock: systemClock, logger: silentLogger });
});
afterEach(async () => {
  await logs.close();
  await rm(dir, { recursive: true, force: true });
});

/** A way to an orchestrator that takes a message only when the test lets it. */
function slowChannel() {
  const written: TailLogsRequest[] = [];
  let take: (() => void) | undefined;
  const call = new Duplex({
    objectMode: true,
    read: () => undefined,
    write(message: TailLogsRequest, _encoding, done) {
      written.push(message);
      take = done;
    },
  });
  let cancelled = false;
  const cancel = () => {
    cancelled = true;
    call.emit('status', { code: 1, details: '', metadata: undefined });
  };
  // All of a call that tails use.
  const tailCall = Object.assign(call, { cancel }) as unknown as TailCall;
  const channel = { openTail: () => tailCall } as unknown as Channel;
  return {
    channel,
    written,
    cancelled: () => cancelled,
    takeOne: () => {
      const done = take;
      take = undefined;
      done?.();
    },
  };
}

describe('a tail', () => {
  it('counts how long ago by the clock that dates the lines, whatever the asker’s says', async () => {
    const log = logs.of(key);
    await log.write(LogStream.BUILD, ['a moment ago']);
    const texts = async (times: { sinceAgoMs?: bigint; untilAgoMs?: bigint }) => {
      const { channel, written, takeOne } = slowChannel();
      const tails = new Tails({ logs, clock: systemClock, logger: silentLogger, hasBot: () => true });
      // By the asker's clock everything here is long over.
      const since = { seconds: 99_999_999_999n, nanos: 0 };
      tails.serve(channel, create(OpenTailSchema, { tailId: 't', ...key, since, ...times }), never);
      const said = () => written.flatMap(({ entries }) => entries.map(({ text }) => text));
      await eventually(
        'the tail has ended',
        () => {
          takeOne();
          return written.at(-1)?.end;
        },
        Boolean,
      );
      return said();
    };
    expect(await texts({ sinceAgoMs: 3_600_000n })).toEqual(['a moment ago']);
    expect(await texts({ sinceAgoMs: 3_600_000n, untilAgoMs: 1_800_000n })).toEqual([]);
    expect(await texts({})).toEqual([]);
  });

  it('has one message under way at a time, however much there is to send', async () => {
    const log = logs.of(key);
    for (let n = 0; n < 50; n += 1) await log.write(LogStream.BUILD, [`${n} ${'x'.repeat(60_000)}`]);
    const { channel, written, takeOne, cancelled } = slowChannel();
    const tails = new Tails({ logs, clock: systemClock, logger: silentLogger, hasBot: () => true });
    const abort = new AbortController();
    const tail = create(OpenTailSchema, { tailId: 't', ...key, lines: 10_000, follow: true });
    tails.serve(channel, tail, abort.signal);
    await eventually(
      'it names itself',
      () => written.length,
      (count) => count === 1,
    );
    for (let n = 2; n <= 10; n += 1) {
      takeOne();
      await eventually(
        'the next message is under way',
        () => written.length,
        (count) => count === n,
      );
    }
    await log.write(LogStream.BUILD, ['more']);
    expect(written).toHaveLength(10);
    abort.abort();
    await eventually('the call is cancelled', cancelled, Boolean);
  });
});
