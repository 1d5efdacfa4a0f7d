/** A body in pieces of one byte, as a hostile client sends it: it costs what its bytes cost, whatever way it is read. */
import { EventEmitter } from 'node:events';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { create, toBinary, toJsonString } from '@bufbuild/protobuf';
import { Code } from '@connectrpc/connect';
import { describe, expect, it } from 'vitest';
import { type CreateJobRequest, CreateJobRequestSchema, JobService } from '#gen/botrunner/v1/job_service_pb.js';
import { BodyBudget } from '../admission/body-budget.ts';
import { bodyKinds } from '../admission/body-kinds.ts';
import { LargeBodies } from '../admission/large-bodies.ts';
import { bodyBytes } from '../body/request-bytes.ts';
import type { NodeRequest } from '../node-http.ts';
import { readJsonBody } from '../rest/json-body.ts';
import { encodeFrame } from './frames.ts';
import { type BodyRules, requestBody } from './request-body.ts';
import type { Wire } from './wire.ts';

const job = (length: number): CreateJobRequest =>
  create(CreateJobRequestSchema, { blueprint: 'bot_runner', data: { code: 'x'.repeat(length) } });

/** All in the same memory: whoever keeps a piece finds another one there. */
async function* oneByOne(bytes: Uint8Array): AsyncGenerator<Buffer> {
  const piece = Buffer.alloc(1);
  for (const byte of bytes) {
    piece[0] = byte;
    yield piece;
  }
  piece.fill(0);
}

async function joined(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const piece of pieces) all.push(piece);
  return Buffer.concat(all);
}

const signal = () => new AbortController().signal;
const hold = new BodyBudget().hold('a');
const granted = { identity: undefined, turn: () => undefined, large: undefined };
const rules: BodyRules = { ...granted, method: JobService.method.createJob, bounds: bodyKinds.source, hold };

const wires: readonly Wire[] = [
  { protocol: 'grpc', binary: true },
  { protocol: 'grpc-web', binary: false },
  { protocol: 'connect', binary: true },
  { protocol: 'connect', binary: false },
];
const bodyOf = ({ protocol, binary }: Wire, message: CreateJobRequest): Uint8Array => {
  if (protocol !== 'connect') return encodeFrame(CreateJobRequestSchema, message, binary);
  return binary
    ? toBinary(CreateJobRequestSchema, message)
    : Buffer.from(toJsonString(CreateJobRequestSchema, message));
};

describe.each(wires)('by $protocol, binary: $binary', (wire) => {
  it('keeps no piece', async () => {
    const body = bodyOf(wire, job(1_000));
    const read = await joined(requestBody({ bytes: oneByOne(body), gzip: false, signal }, wire, rules));
    expect(read.equals(body)).toBe(true);
  });
});

it('looks at each piece once', async () => {
  const wire: Wire = { protocol: 'grpc', binary: true };
  const body = bodyOf(wire, job(300_000));
  const bytes = Readable.from(Array.from(body, (_, at) => body.subarray(at, at + 1)));
  const read = await joined(requestBody({ bytes, gzip: false, signal }, wire, rules));
  expect(read.length).toBe(body.length);
});

it('keeps no piece of a REST body', async () => {
  const text = JSON.stringify({ code: 'x'.repeat(1_000) });
  const bytes = oneByOne(Buffer.from(text));
  const request = { headers: { 'content-type': 'application/json' }, iterator: () => bytes };
  const allowance = { ...granted, body: bodyKinds.small, hold };
  // All that is read of a request.
  expect(JSON.stringify(await readJsonBody(request as unknown as NodeRequest, allowance))).toBe(text);
});

it('holds nothing of a message any more that came compressed', async () => {
  const budget = new BodyBudget();
  const body = Buffer.from(JSON.stringify({ blueprint: 'bot_runner', data: { code: 'x'.repeat(200_000) } }));
  const zipped = gzipSync(body);
  const request = (headers: Record<string, string>) =>
    Object.assign(Readable.from([zipped]), { headers }) as unknown as NodeRequest; // as far as a body is concerned
  const rest = { ...granted, body: bodyKinds.small, hold: budget.hold('a') };
  await readJsonBody(request({ 'content-type': 'application/json', 'content-encoding': 'gzip' }), rest);
  expect(budget.bytes).toBe(0);
  const rpc = { ...granted, body: bodyKinds.source, hold: budget.hold('a') };
  const bytes = bodyBytes(request({}), rpc);
  const unary: Wire = { protocol: 'connect', binary: false };
  const read = requestBody({ bytes, gzip: true, signal }, unary, { ...rules, hold: rpc.hold });
  expect((await joined(read)).equals(body)).toBe(true);
  expect(budget.bytes).toBe(0);
});

describe('a large message that came compressed is charged by what it unpacks to', () => {
  const mib = 1024 * 1024;
  const limited = () => {
    const response = Object.assign(new EventEmitter(), { destroyed: false });
    const large = new LargeBodies({ burst: 4 * mib, perSecond: 1 }, () => 0).of('a', response);
    return { ...granted, large, body: bodyKinds.source, hold: new BodyBudget().hold('a') };
  };

  it('by REST', async () => {
    const zipped = gzipSync(Buffer.from(JSON.stringify({ code: 'x'.repeat(8 * mib) })));
    const headers = { 'content-type': 'application/json', 'content-encoding': 'gzip' };
    const request = Object.assign(Readable.from([zipped]), { headers }) as unknown as NodeRequest; // as above
    const refused = readJsonBody(request, limited()).then(() => 'taken');
    await expect(refused).rejects.toMatchObject({ problem: { code: 'RATE_LIMITED' } });
  });

  it.each(wires)('by $protocol, binary: $binary', async (wire) => {
    const body = bodyOf(wire, job(8 * mib));
    const frame = (data: Uint8Array) => {
      const head = Buffer.from([1, 0, 0, 0, 0]);
      head.writeUInt32BE(data.length, 1);
      return Buffer.concat([head, data]);
    };
    const zipped = wire.protocol === 'connect' ? gzipSync(body) : frame(gzipSync(body.subarray(5)));
    const read = requestBody({ bytes: Readable.from([zipped]), gzip: true, signal }, wire, { ...rules, ...limited() });
    const refused = joined(read).then(() => 'taken');
    await expect(refused).rejects.toMatchObject({ code: Code.ResourceExhausted });
  });
});
