/**
 * Floods of whole requests of nearly 16 MiB, one after the other on each connection: nested values, which are refused, with a token and without;
 * and sources of bots, which are taken until their user has no room left.
 */
import { request } from 'node:http';
import { create, toBinary } from '@bufbuild/protobuf';
import { CreateJobRequestSchema } from '#gen/botrunner/v1/job_service_pb.js';
import type { Flood } from '../test/kit/floods.ts';

const mib = 1024 * 1024;
const bodyBytes = 16 * mib;

/** {"blueprint":"bot_runner","data":{"x":[[[]],[[]],...]}} */
function nestedJson(): Buffer {
  const [head, one, tail] = ['{"blueprint":"bot_runner","data":{"x":[', '[[]],', '[]]}}'];
  return Buffer.from(head + one.repeat(Math.floor((bodyBytes - 64) / one.length)) + tail);
}

/** CreateJobRequest with a Struct of small lists: data (2) is a Struct, whose fields (1) map a name (1) to a Value (2) with list_value (6). */
function nestedProtobuf(): Buffer {
  const field = (number: number, ...parts: readonly Buffer[]) => {
    const body = Buffer.concat(parts);
    const length: number[] = [];
    for (let rest = body.length; ; rest = Math.floor(rest / 128)) {
      length.push(rest < 128 ? rest : (rest % 128) | 128);
      if (rest < 128) break;
    }
    return Buffer.concat([Buffer.from([(number << 3) | 2, ...length]), body]);
  };
  const empty = field(1, field(6));
  const list = Buffer.alloc(bodyBytes - 64, empty);
  const whole = list.subarray(0, Math.floor(list.length / empty.length) * empty.length);
  return field(2, field(1, field(1, Buffer.from('x')), field(2, field(6, whole))));
}

/** 15 MiB of Python. */
const source = (): string => `${"print('hello, world')  # ".repeat(3)}\n`.repeat(Math.floor((15 * mib) / 76));

const startBot = (): Readonly<Record<string, string>> => ({
  action: 'start',
  bot_id: 'flood',
  deployment_mode: 'simple',
  code: source(),
});

const startBotJson = (): Buffer => Buffer.from(JSON.stringify({ blueprint: 'bot_runner', data: startBot() }));

const startBotProtobuf = (): Buffer =>
  Buffer.from(
    toBinary(CreateJobRequestSchema, create(CreateJobRequestSchema, { blueprint: 'bot_runner', data: startBot() })),
  );

const flood =
  (makeBody: () => Buffer, path: string, type: string, withToken: boolean) =>
  (connections: number): Flood =>
  async ({ port, token }, signal, count) => {
    const body = makeBody();
    const headers = {
      'content-type': type,
      'content-length': body.length,
      ...(withToken ? { authorization: `Bearer ${token}` } : {}),
    };
    const one = async () => {
      while (!signal.aborted) {
        count.opened += 1;
        await new Promise<void>((resolve) => {
          const sent = request({ port, host: '127.0.0.1', method: 'POST', path, headers, agent: false, signal });
          sent.on('socket', () => {
            count.connected += 1;
          });
          sent.on('response', (response) => {
            if (response.statusCode !== 200 && response.statusCode !== 202) count.ended += 1;
            response.resume().on('close', resolve);
          });
          // It is refused before all of it was sent.
          sent.on('error', () => resolve());
          sent.end(body);
        });
      }
    };
    await Promise.all(Array.from({ length: connections }, one));
  };

const createJob = '/botrunner.v1.JobService/CreateJob';

export const bodyFloods = {
  nestedJson: flood(nestedJson, '/jobs', 'application/json', true),
  nestedJsonAnonymous: flood(nestedJson, '/jobs', 'application/json', false),
  nestedProtobuf: flood(nestedProtobuf, createJob, 'application/proto', true),
  nestedProtobufAnonymous: flood(nestedProtobuf, createJob, 'application/proto', false),
  sources: flood(startBotJson, '/jobs', 'application/json', true),
  sourcesProtobuf: flood(startBotProtobuf, createJob, 'application/proto', true),
} satisfies Readonly<Record<string, (amount: number) => Flood>>;
