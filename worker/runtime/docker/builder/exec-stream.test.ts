import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { EngineClient } from '../engine-client.ts';
import { openExec } from './exec-stream.ts';

const engine = {
  call: async () => ({ Id: 'exec-1' }),
  api: async () => 41,
} as Partial<EngineClient> as EngineClient; // nothing else of it is asked for

const frame = (stream: number, text: string): Buffer => {
  const header = Buffer.alloc(8);
  header[0] = stream;
  header.writeUInt32BE(Buffer.byteLength(text), 4);
  return Buffer.concat([header, Buffer.from(text)]);
};

describe('a program in a container', () => {
  let server: Server;
  let answer: (socket: Socket) => void;
  beforeEach(async () => {
    server = createServer((_request, response) => response.writeHead(404).end('no such exec'));
    server.on('upgrade', (_request, socket) => {
      socket.write('HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n');
      answer(socket as Socket); // of node:net, since the server has no TLS
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
  });
  afterEach(() => void server.close());

  const open = () => {
    const { port } = server.address() as AddressInfo; // it listens at a port
    const target = { engine, address: { host: '127.0.0.1', port }, containerId: 'c', command: ['cat'] };
    return openExec(target, AbortSignal.timeout(5000));
  };

  it('is written to as it is, and read without the frames, wherever these are cut', async () => {
    answer = (socket) => {
      socket.once('data', (said) => {
        const bytes = Buffer.concat([frame(1, `you said ${said}`), frame(2, 'a warning'), frame(1, ', bye')]);
        for (const byte of bytes) socket.write(Buffer.of(byte));
        socket.end();
      });
    };
    const stream = await open();
    stream.write('hello');
    expect((await buffer(stream)).toString()).toBe('you said hello, bye');
  });

  it('that ends with nothing but a complaint fails with it', async () => {
    answer = (socket) => socket.end(frame(2, 'docker: not found\n'));
    await expect(buffer(await open())).rejects.toThrow('docker: not found');
  });

  it('that breaks off fails whoever reads it', async () => {
    answer = (socket) => {
      socket.write(frame(1, 'half'));
      socket.once('data', () => socket.resetAndDestroy());
    };
    const stream = await open();
    stream.write('more');
    await expect(buffer(stream)).rejects.toThrow(/ECONNRESET/);
  });
});
