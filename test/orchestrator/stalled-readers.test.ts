/** A reader of a stream of the RPC port that stops reading is cut off; one that is slow is waited for. */
import { once } from 'node:events';
import http from 'node:http';
import http2 from 'node:http2';
import { type AddressInfo, createConnection } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { createOutput, sendResponse, type Writable } from '../../orchestrator/server/rpc/send-response.ts';

const patience = { stallMs: 300, bytesPerSecond: 1024 ** 3 };
const chunkBytes = 64 * 1024;

/** An answer without end, and what became of it. */
function endless() {
  const told = { chunks: 0, over: Promise.withResolvers<void>() };
  async function* body() {
    try {
      for (; ; told.chunks += 1) yield new Uint8Array(chunkBytes);
    } finally {
      told.over.resolve();
    }
  }
  const header = new Headers({ 'content-type': 'application/grpc' });
  return { told, answer: { status: 200, header, body: body() } };
}

async function listen(server: http.Server | http2.Http2Server, answer: Parameters<typeof sendResponse>[0]) {
  const sent = Promise.withResolvers<void>();
  server.on('request', (_, response: Writable) => {
    sendResponse(answer, response, createOutput(response, patience)).then(sent.resolve, sent.reject);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  // A TCP server that listens has an AddressInfo.
  return { port: (server.address() as AddressInfo).port, sent: sent.promise };
}

it('cuts off a reader over HTTP/2 that stopped reading, by the code that is RESOURCE_EXHAUSTED to gRPC', async () => {
  const { told, answer } = endless();
  const { port, sent } = await listen(http2.createServer(), answer);
  const session = http2.connect(`http://127.0.0.1:${port}`);
  onTestFinished(() => session.destroy());
  const stream = session.request({ ':path': '/' });
  stream.pause();
  await Promise.all([sent, told.over.promise]);
  const failed = once(stream, 'error');
  stream.resume();
  expect(await failed).toMatchObject([{ message: expect.stringContaining('NGHTTP2_ENHANCE_YOUR_CALM') }]);
  // What the windows of HTTP/2 and the buffers of the kernel take, and one that waits.
  expect(told.chunks * chunkBytes).toBeLessThan(16 * 1024 * 1024);
});

it('cuts off a reader over HTTP/1.1 that stopped reading', async () => {
  const { told, answer } = endless();
  const { port, sent } = await listen(http.createServer(), answer);
  const socket = createConnection(port, '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  socket.on('error', () => undefined); // it is broken off
  socket.pause();
  socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  await Promise.all([sent, told.over.promise]);
  const closed = once(socket, 'close');
  socket.resume();
  await closed;
});

it('waits for a reader that is slow, for as long as it reads', async () => {
  const { told, answer } = endless();
  const { port, sent } = await listen(http2.createServer(), answer);
  const session = http2.connect(`http://127.0.0.1:${port}`);
  onTestFinished(() => session.close());
  const stream = session.request({ ':path': '/' });
  stream.on('error', () => undefined); // it is broken off below
  let bytes = 0;
  // Far longer than the patience of one stall, with pauses that are shorter.
  const until = performance.now() + patience.stallMs * 5;
  for await (const chunk of stream) {
    bytes += chunk.length;
    if (performance.now() > until) break;
    await new Promise((resolve) => setTimeout(resolve, patience.stallMs / 20));
  }
  expect(stream.rstCode === http2.constants.NGHTTP2_ENHANCE_YOUR_CALM).toBe(false);
  expect(bytes).toBeGreaterThan(chunkBytes);
  stream.close(http2.constants.NGHTTP2_CANCEL);
  await Promise.all([sent, told.over.promise]);
});
