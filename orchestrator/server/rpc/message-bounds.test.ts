import { create, type JsonObject, toBinary, toJsonString } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { JsonCount } from '#common/json-count.ts';
import { StartBotRequestSchema } from '#gen/botrunner/v1/bot_service_pb.js';
import { CreateJobRequestSchema } from '#gen/botrunner/v1/job_service_pb.js';
import { checkMessageBounds } from './message-bounds.ts';

const job = (data: JsonObject) => create(CreateJobRequestSchema, { blueprint: 'bot_runner', data });
/** The verdicts on the message in both encodings. */
const verdicts = (data: JsonObject) => [
  checkMessageBounds(CreateJobRequestSchema, toBinary(CreateJobRequestSchema, job(data)))?.message ?? 'fine',
  new JsonCount().add(Buffer.from(toJsonString(CreateJobRequestSchema, job(data))))?.message ?? 'fine',
];
const list = (length: number, value: unknown = 1) => ({ x: Array.from({ length }, () => value) }) as JsonObject;
const nested = (levels: number): JsonObject => (levels === 0 ? {} : { x: nested(levels - 1) });

describe('the bounds of a message', () => {
  // The message, the blueprint, the data and the list: 4 besides the items.
  it.each<[string, JsonObject, string]>([
    ['an ordinary job', { action: 'start', bot_id: 'a', files: { 'a.py': 'print(1)' } }, 'fine'],
    ['10,000 values', list(9_996), 'fine'],
    ['10,001 values', list(9_997), 'values'],
    ['as many lists', list(9_996, []), 'fine'],
    ['one list more', list(9_997, []), 'values'],
    ['objects with text', list(5_000, { a: 'b' }), 'values'],
    ['64 levels', nested(62), 'fine'],
    ['65 levels', nested(63), 'levels'],
  ])('%s: the same in protobuf and in JSON', (_title, data, expected) => {
    for (const verdict of verdicts(data)) expect(verdict).toMatch(expected);
  });

  it('counts the entries of maps and unknown fields', () => {
    const env = (length: number) =>
      toBinary(
        StartBotRequestSchema,
        create(StartBotRequestSchema, {
          spec: { env: Object.fromEntries(Array.from({ length }, (_, n) => [`A${n}`, ''])) },
        }),
      );
    expect(checkMessageBounds(StartBotRequestSchema, env(9_998))).toBeUndefined();
    expect(checkMessageBounds(StartBotRequestSchema, env(9_999))?.message).toMatch('values');
    // Field 1000 as a number, over and over: what a newer client or a stranger may send.
    const unknown = new Uint8Array(3 * 20_000).map((_, at) => [0xc0, 0x3e, 1][at % 3] ?? 0);
    expect(checkMessageBounds(StartBotRequestSchema, unknown)?.message).toMatch('values');
  });

  it('ends at fields for which there is no value in JSON, too', () => {
    const inValue = 2 * 50_000;
    const length = (bytes: number) => [(bytes & 0x7f) | 0x80, ((bytes >> 7) & 0x7f) | 0x80, bytes >> 14];
    // data (2) has fields (1) with a value (2): a Value in which null (1) is set over and over.
    const value = [0x12, ...length(inValue), ...Array.from({ length: inValue }, (_, at) => [0x08, 0][at % 2] ?? 0)];
    const entry = [0x0a, ...length(value.length), ...value];
    const bytes = Uint8Array.from([0x12, ...length(entry.length), ...entry]);
    expect(checkMessageBounds(CreateJobRequestSchema, bytes)?.message).toMatch('values');
    // The same with the key (1) of the entry.
    const keys = Array.from({ length: inValue }, (_, at) => [0x0a, 0][at % 2] ?? 0);
    const keyed = [0x0a, ...length(keys.length), ...keys];
    const map = Uint8Array.from([0x12, ...length(keyed.length), ...keyed]);
    expect(checkMessageBounds(CreateJobRequestSchema, map)?.message).toMatch('values');
  });

  it('leaves what is no message to the decoder', () => {
    for (const bytes of [[0xff], [0x0a, 0xff], [0x0a, 5, 1], [0x0b], new Array(5_000).fill(0x13)]) {
      expect(checkMessageBounds(CreateJobRequestSchema, Uint8Array.from(bytes))).toBeUndefined();
    }
  });
});
