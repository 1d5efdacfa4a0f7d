/** As much of Discord's API and gateway as refuses a bot: the token `bad` gets 401, and each gateway session is closed for its intents. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

// https://discord.com/developers/docs/topics/opcodes-and-status-codes#gateway-gateway-close-event-codes
const disallowedIntents = 4014;
const webSocketMagic = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

export async function startFakeDiscord(): Promise<{ readonly url: string; close(): Promise<void> }> {
  const server = createServer((request, response) => {
    const answer = (status: number, body: unknown) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    if (request.headers.authorization === 'Bot bad') return void answer(401, { message: '401: Unauthorized', code: 0 });
    const { port } = server.address() as AddressInfo;
    const limits = { total: 1000, remaining: 1000, reset_after: 0, max_concurrency: 1 };
    const url = `ws://127.0.0.1:${port}/gateway`;
    if (request.url?.includes('/gateway')) {
      return void answer(200, { url, shards: 1, session_start_limit: limits });
    }
    if (request.url?.includes('/applications/@me') || request.url?.includes('/oauth2/')) {
      return void answer(200, {
        id: '1',
        name: 'bot',
        icon: null,
        description: '',
        rpc_origins: [],
        summary: '',
        flags: 0,
        bot_public: true,
        bot_require_code_grant: false,
        verify_key: '',
        owner: { id: '2', username: 'ann', discriminator: '0', avatar: null },
      });
    }
    answer(200, { id: '1', username: 'bot', discriminator: '0', avatar: null, bot: true, global_name: null });
  });
  server.on('upgrade', (request, socket) => {
    const accept = createHash('sha1')
      .update(`${request.headers['sec-websocket-key']}${webSocketMagic}`)
      .digest('base64');
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
    );
    socket.on('error', () => undefined);
    socket.once('data', () => {
      socket.write(frame(0x88, Buffer.from([disallowedIntents >> 8, disallowedIntents & 0xff])));
      socket.end();
    });
    socket.write(frame(0x81, Buffer.from(JSON.stringify({ op: 10, d: { heartbeat_interval: 45_000 } }))));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  // A TCP server that listens has an AddressInfo.
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

/** Short and not masked, as a server sends it (RFC 6455, 5.2). */
const frame = (kind: number, content: Buffer) => Buffer.concat([Buffer.from([kind, content.length]), content]);
