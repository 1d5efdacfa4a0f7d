/**
 * The least that a fan-out costs on this platform: a server of node:http2 that keeps its streams in a set and writes the same
 * bytes to all of them when it is asked to. Run as a program; prints its address.
 *
 *     node bench/fanout/bare-server.ts BYTES
 */
import { closeSync, fdatasyncSync, openSync, writeSync } from 'node:fs';
import http2, { type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const size = Number(process.argv[2] ?? 300);
const head = Buffer.alloc(5);
head.writeUInt32BE(size, 1);
const frame = Buffer.concat([head, Buffer.alloc(size, 'x')]);
const file = openSync(join(tmpdir(), `bare-server-${process.pid}`), 'w');

const streams = new Set<ServerHttp2Stream>();
const server = http2.createServer({ settings: { maxConcurrentStreams: 1_000 } });
server.on('stream', (stream, headers) => {
  stream.on('error', () => undefined);
  if (headers[':path'] === '/change') {
    // A change is on disk before anybody hears of it, as everywhere.
    writeSync(file, frame);
    fdatasyncSync(file);
    stream.respond({ ':status': 200 });
    stream.end();
    for (const each of streams) each.write(frame);
    return;
  }
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' });
  stream.write(frame);
  streams.add(stream);
  stream.on('close', () => streams.delete(stream));
});
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo; // it listens on TCP
  process.send?.({ url: `http://127.0.0.1:${port}`, file: join(tmpdir(), `bare-server-${process.pid}`) });
});
process.on('disconnect', () => {
  closeSync(file);
  process.exit(0);
});
