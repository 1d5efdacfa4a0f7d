/** The port when it is full, over real connections: for whom the last ones are kept, and what one caller may have of them and of uploads. */
import { once } from 'node:events';
import http2, { type ClientHttp2Session, type ClientHttp2Stream, type IncomingHttpHeaders } from 'node:http2';
import net, { type Socket } from 'node:net';
import { createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AdminService, TokenScope } from '#gen/botrunner/v1/admin_service_pb.js';
import { eventually } from '../kit/eventually.ts';
import {
  clientToken,
  startTestOrchestrator,
  type TestOrchestrator,
  workerToken,
} from '../kit/orchestrator-for-tests.ts';
import { bearer } from '../kit/typed-calls.ts';

const adminToken = 'test-admin-token';
/** 61 and more are the kept part; a caller may have 32. */
const max = 64;
const kept = 61;
const half = 32;

let orchestrator: TestOrchestrator;
const sockets: Socket[] = [];
const sessions: ClientHttp2Session[] = [];
beforeEach(async () => {
  orchestrator = await startTestOrchestrator({ env: { MAX_CONNECTIONS: String(max) } });
});
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const session of sessions.splice(0)) session.destroy();
  await orchestrator[Symbol.asyncDispose]();
});

async function tokensOf(...users: readonly string[]): Promise<readonly string[]> {
  const transport = createGrpcTransport({ baseUrl: orchestrator.url, interceptors: [bearer(adminToken)] });
  const admin = createClient(AdminService, transport);
  const made = users.map((userId) => admin.createToken({ userId, name: 'laptop', scope: TokenScope.CLIENT }));
  return (await Promise.all(made)).map(({ value }) => value);
}

interface Asked {
  readonly socket: Socket;
  /** 0 when the connection was ended without an answer. */
  readonly status: number;
  readonly text: string;
}

/** A request over a connection of its own, which stays open. Resolves with the first answer's head and what came with it. */
async function ask(path: string, token?: string): Promise<Asked> {
  const socket = net.connect(orchestrator.port, '127.0.0.1').on('error', () => undefined);
  sockets.push(socket);
  const authorization = token === undefined ? '' : `Authorization: Bearer ${token}\r\n`;
  socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n${authorization}\r\n`);
  let text = '';
  await new Promise<void>((resolve) => {
    socket.on('data', (data) => {
      text += data.toString('latin1');
      if (text.includes('\r\n\r\n')) resolve();
    });
    socket.once('close', () => resolve());
  });
  return { socket, status: Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? 0), text };
}

/** Connections of a caller on which it has shown its token. */
async function known(count: number, token: string, path = '/jobs/none'): Promise<readonly Socket[]> {
  const open: Socket[] = [];
  for (let n = 0; n < count; n++) {
    const { socket, status } = await ask(path, token);
    expect(status).toBe(path === '/events' ? 200 : 404);
    open.push(socket);
  }
  return open;
}

describe('the last connections', () => {
  it('are for the operator, workers and health checks; others get an error that says so, and a place when there is room again', async () => {
    const [ann = '', bob = ''] = await tokensOf('ann', 'bob');
    const [first] = await known(half, ann);
    // The connection of `tokensOf` may still be open.
    await known(kept - half - 1, bob);
    const late = await eventually(
      'only the kept part is left',
      () => ask('/jobs/none', clientToken),
      ({ status }) => status === 503,
    );
    expect(late.text).toMatch(/UNAVAILABLE[\s\S]*retry_after/);
    await eventually('it is closed', () => late.socket.destroyed, Boolean);
    expect((await ask('/')).status).toBe(503);
    expect((await ask('/health')).status).toBe(200);
    expect((await ask('/jobs/none', workerToken)).status).toBe(403);
    expect((await ask('/workers/none/tasks', workerToken)).status).toBe(404);
    expect((await ask('/events?x=1', adminToken)).status).toBe(400);
    // Who was there before is served as ever.
    first?.write(`GET /jobs/none HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${ann}\r\n\r\n`);
    const [answer] = (await once(first ?? new net.Socket(), 'data')) as [Buffer];
    expect(answer.toString()).toContain('404');
    for (const socket of sockets.splice(0)) socket.destroy();
    await eventually(
      'there is room',
      async () => (await ask('/jobs/none', clientToken)).status,
      (status) => status === 404,
    );
  });
});

describe('an address that floods', () => {
  /** Connections that send nothing, one right after the other. */
  const flood = (count: number) => {
    for (let n = 0; n < count; n++) {
      sockets.push(net.connect(orchestrator.port, '127.0.0.1').on('error', () => undefined));
    }
  };

  it('is that of a user, too, who is served there', async () => {
    expect((await ask('/jobs/none', clientToken)).status).toBe(404);
    // More than may make room for each other.
    for (let n = 0; n < 7; n++) {
      flood(200);
      await ask('/health');
    }
    for (let n = 0; n < 3; n++) {
      flood(200);
      expect((await ask('/jobs/none', clientToken)).status).toBe(404);
    }
  });
});

describe('one caller', () => {
  it('has half of the connections: the one that does nothing for longest makes room, and no one else’s', async () => {
    const [ann = ''] = await tokensOf('ann');
    const hers = await known(3, ann);
    const [oldest] = await known(half, clientToken);
    expect((await ask('/jobs/none', clientToken)).status).toBe(404);
    await eventually('the oldest is closed', () => oldest?.destroyed, Boolean);
    expect(hers.map(({ destroyed }) => destroyed)).toEqual([false, false, false]);
  });

  it('whose connections are all busy gets no more, and others do', async () => {
    const [ann = ''] = await tokensOf('ann');
    await known(half, clientToken, '/events');
    const { status, text } = await ask('/jobs/none', clientToken);
    expect([status, text]).toEqual([429, expect.stringContaining('RATE_LIMITED')]);
    expect((await ask('/jobs/none', ann)).status).toBe(404);
  });
});

describe('uploads', () => {
  /** One that has begun and waits for its caller; its answer, if there is one already. */
  const begin = async (
    token: string,
  ): Promise<{ readonly stream: ClientHttp2Stream; status(): number | undefined }> => {
    const session = sessions.find((each) => !each.destroyed && each.localSettings !== undefined) ?? connect();
    const stream = session.request({
      ':method': 'POST',
      ':path': '/botrunner.v1.ArtifactService/UploadArtifact',
      'content-type': 'application/grpc',
      te: 'trailers',
      authorization: `Bearer ${token}`,
    });
    let status: number | undefined;
    const note = (headers: IncomingHttpHeaders) => {
      if (headers['grpc-status'] !== undefined) status = Number(headers['grpc-status']);
    };
    stream
      .on('response', note)
      .on('trailers', note)
      .on('error', () => undefined)
      .resume();
    // The head of a message that does not come.
    stream.write(Buffer.from([0, 0, 0, 1, 0]));
    return { stream, status: () => status };
  };
  const connect = () => {
    const session = http2.connect(orchestrator.url).on('error', () => undefined);
    sessions.push(session);
    return session;
  };
  const refused = (upload: Awaited<ReturnType<typeof begin>>) =>
    eventually('it is refused', upload.status, (status) => status === 8);

  it('of one caller are eight at once, those of all sixty-four', { timeout: 60_000 }, async () => {
    const users = Array.from({ length: 9 }, (_, n) => `user-${n}`);
    const tokens = await tokensOf(...users);
    const [ann = '', bob = ''] = tokens;
    const hers = [];
    for (let n = 0; n < 8; n++) hers.push(await begin(ann));
    await refused(await begin(ann));
    expect(hers.map(({ status }) => status())).toEqual(Array(8).fill(undefined));
    // One less, one more.
    hers[0]?.stream.close();
    const again = await eventually(
      'there is room for another',
      async () => {
        const upload = await begin(ann);
        // A refusal would come before the answer to a later request.
        await ask('/jobs/none', ann);
        await new Promise((resolve) => upload.stream.session?.ping(resolve));
        return upload;
      },
      (upload) => upload.status() === undefined,
    );
    expect(again.status()).toBeUndefined();
    for (const token of tokens.slice(1, 8)) for (let n = 0; n < 8; n++) await begin(token);
    const [last = ''] = tokens.slice(8);
    await refused(await begin(last));
    await refused(await begin(bob));
  });
});
