import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { StreamLogsResponseSchema } from '#gen/botrunner/v1/bot_service_pb.js';
import { ErrorDetailSchema } from '#gen/botrunner/v1/error_pb.js';
import { LogEntrySchema, LogStream } from '#gen/botrunner/v1/log_pb.js';
import { TailEndSchema, TailLogsRequestSchema } from '#gen/botrunner/v1/worker_service_pb.js';
import { decodeTailMessage, LogBatch, tailMessages } from './log-batch.ts';

const logId = 'ab'.repeat(8);
const entry = (seq: number, text = `line ${seq}`) =>
  create(LogEntrySchema, {
    cursor: `${logId}-${seq}`,
    time: timestampFromMs(seq * 1000),
    stream: LogStream.STDOUT,
    text,
  });
const entries = [entry(3), entry(4), entry(7, 'ü\u0000'.repeat(500))];
const encode = (message: Parameters<typeof create<typeof TailLogsRequestSchema>>[1]) =>
  toBinary(TailLogsRequestSchema, create(TailLogsRequestSchema, message));

describe('lines that are passed on', () => {
  it('reach the reader as the worker sent them', () => {
    const { batch, tailId, error, end } = decodeTailMessage(encode({ entries }));
    expect([tailId, error, end, batch.count]).toEqual(['', undefined, undefined, 3]);
    expect(fromBinary(StreamLogsResponseSchema, Buffer.concat(batch.answer('here')))).toEqual(
      create(StreamLogsResponseSchema, { entries, cursor: 'here' }),
    );
    expect(batch.message('here')).toEqual(create(StreamLogsResponseSchema, { entries, cursor: 'here' }));
    expect([batch.first, batch.last]).toEqual([
      { logId, seq: 3 },
      { logId, seq: 7 },
    ]);
  });

  it('are the same, decoded on their way or not, with what else the message has', async () => {
    const end = create(TailEndSchema, { cursor: `${logId}-7`, newestCursor: `${logId}-9` });
    const error = create(ErrorDetailSchema, { code: 'BOT_NOT_FOUND' });
    for (const extra of [{ tailId: 'a' }, { end }, { error }, { entries: [] }]) {
      const bytes = encode({ entries, ...extra });
      const raw = decodeTailMessage(bytes);
      const list = async function* () {
        yield fromBinary(TailLogsRequestSchema, bytes);
      };
      for await (const message of tailMessages(list())) expect(raw).toEqual(message);
    }
  });

  it('can be fewer: those behind a number, and those that are wanted', () => {
    const batch = LogBatch.of(entries);
    expect([2, 3, 6, 7].map((seq) => batch.after(seq).entries)).toEqual([
      entries,
      entries.slice(1),
      entries.slice(2),
      [],
    ]);
    expect(batch.after(2)).toBe(batch);
    expect(batch.filter(({ text }) => text.includes('line 4')).entries).toEqual([entries[1]]);
    expect(LogBatch.empty.entries).toEqual([]);
  });

  it('may come with fields of a newer worker', () => {
    // Field 1000, a text.
    const newer = Buffer.concat([
      Buffer.from([0xc2, 0x3e, 1, 0x78]),
      encode({ entries }),
      Buffer.from([0xc2, 0x3e, 0]),
    ]);
    expect(decodeTailMessage(newer).batch.entries).toEqual(entries);
  });

  it('are refused when they cannot be decoded, and nothing else is', () => {
    const whole = encode({ tailId: 'a', entries });
    for (let length = 1; length < whole.length; length += 1) {
      const cut = whole.subarray(0, length);
      let isMessage = true;
      try {
        fromBinary(TailLogsRequestSchema, cut);
      } catch {
        isMessage = false;
      }
      if (isMessage) expect(decodeTailMessage(cut).batch.count).toBeLessThanOrEqual(3);
      else expect(() => decodeTailMessage(cut)).toThrow();
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        try {
          decodeTailMessage(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(Error);
        }
      }),
    );
  });
});
