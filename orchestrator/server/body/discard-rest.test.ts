import { once } from 'node:events';
import http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, expect, it, onTestFinished, vi } from 'vitest';
import type { NodeRequest } from '../node-http.ts';
import { type DiscardBounds, Discards } from './discard-rest.ts';

const kib = 1024;
const bounds: DiscardBounds = {
  idleMs: 2_000,
  totalMs: 30_000,
  sliceBytes: 64 * kib,
  pauseMs: 10,
  perAddressMax: 2,
};

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** The rest of a body that never ends, and how much of it was read. */
function endless(discards: Discards, address = '127.0.0.1') {
  const body = new PassThrough({ highWaterMark: 64 * kib });
  const rest = Object.assign(body, { complete: false, socket: { remoteAddress: address }, read: body.read, sent: 0 });
  const more = () => {
    while (!body.destroyed && body.write(Buffer.alloc(16 * kib))) rest.sent += 16 * kib;
  };
  body.on('drain', more);
  more();
  discards.discard(rest as unknown as NodeRequest); // as far as a rest is concerned
  return rest;
}

const readOf = ({ sent, readableLength, writableLength }: ReturnType<typeof endless>) =>
  sent - readableLength - writableLength;

/** Streams work in turns of the event loop, not by timers. */
async function pass(ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 10) {
    for (let n = 0; n < 20; n++) await new Promise((resolve) => setImmediate(resolve));
    await vi.advanceTimersByTimeAsync(10);
  }
}

it('reads all rests together at one pace, in turns', async () => {
  const discards = new Discards({ ...bounds, perAddressMax: 10 });
  const rests = Array.from({ length: 4 }, () => endless(discards));
  await pass(400);
  const read = rests.map(readOf);
  // 40 slices; the last piece of one may be too long by as much as a stream holds.
  expect(read.reduce((sum, each) => sum + each)).toBeLessThanOrEqual(40 * 3 * 64 * kib);
  expect(Math.min(...read)).toBeGreaterThan(4 * 64 * kib);
  for (const rest of rests) rest.destroy();
});

it('ends one that has no end after 30 s', async () => {
  const rest = endless(new Discards(bounds));
  await pass(29_000);
  expect(rest.destroyed).toBe(false);
  await pass(1_100);
  expect(rest.destroyed).toBe(true);
});

it('ends one of which nothing comes for 2 s', async () => {
  const body = Object.assign(new PassThrough(), { complete: false, socket: { remoteAddress: '127.0.0.1' } });
  new Discards(bounds).discard(body as unknown as NodeRequest); // as above
  body.write('a');
  await pass(1_900);
  expect(body.destroyed).toBe(false);
  await pass(200);
  expect(body.destroyed).toBe(true);
});

it('ends a stream of HTTP/2 after 30 s although its answer may not be sent', async () => {
  const server = http2.createServer();
  const closed = Promise.withResolvers<void>();
  server.on('request', (request, response) => {
    response.end('refused');
    new Discards(bounds).discard(request);
    request.once('close', closed.resolve);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  // A TCP server that listens has an AddressInfo.
  const { port } = server.address() as AddressInfo;
  // Nothing but heads may be sent to it.
  const session = http2.connect(`http://127.0.0.1:${port}`, { settings: { initialWindowSize: 0 } });
  onTestFinished(() => session.destroy());
  const stream = session.request({ ':method': 'POST', ':path': '/' });
  stream.on('error', () => undefined); // it is ended
  stream.write('a');
  await once(stream, 'response');
  await pass(30_100);
  await closed.promise;
});

it('ends the oldest of an address that has too many', () => {
  const discards = new Discards(bounds);
  const [first, other, second, third] = ['1.1.1.1', '2.2.2.2', '1.1.1.1', '1.1.1.1'].map((address) =>
    endless(discards, address),
  );
  expect([first, other, second, third].map((rest) => rest?.destroyed)).toEqual([true, false, false, false]);
  for (const rest of [other, second, third]) rest?.destroy();
});

it('ends as many as there are too many, also of those that come at once', () => {
  const discards = new Discards(bounds);
  const rests = Array.from({ length: 5 }, () => endless(discards));
  expect(rests.map((rest) => rest.destroyed)).toEqual([true, true, true, false, false]);
  for (const rest of rests) rest.destroy();
});
