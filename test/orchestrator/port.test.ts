/** The one port as strangers see it: requests that are none, and calls that are not there or make no sense. */
import http2 from 'node:http2';
import net from 'node:net';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BotService } from '#gen/botrunner/v1/bot_service_pb.js';
import {
  clientToken,
  startTestOrchestrator,
  type TestOrchestrator,
  workerToken,
} from '../kit/orchestrator-for-tests.ts';
import { rawRequest } from '../kit/raw-request.ts';
import { bearer, refusalOf } from '../kit/typed-calls.ts';

let orchestrator: TestOrchestrator;
/** What is answered to two connections with half a head. The server waits 10 to 15 s for the rest, so they begin before all tests. */
let halfHeads: Promise<readonly string[]>;
beforeAll(async () => {
  orchestrator = await startTestOrchestrator();
  const whole = 'GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n';
  const half = 'GET /health HTTP/1.1\r\nHos';
  halfHeads = Promise.all([untilClosed(half), untilClosed(whole + half)]);
});
afterAll(() => orchestrator[Symbol.asyncDispose]());

const listBots = '/botrunner.v1.BotService/ListBots';
const healthy = async () => (await orchestrator.get('/health')).status;

describe('a request that is none', () => {
  it.each([
    ['a host that is none', 'POST', listBots, 'HTTP/1.1', ['Host: [']],
    ['a host that is none, for REST', 'GET', '/health', 'HTTP/1.1', ['Host: [']],
    ['two hosts', 'POST', listBots, 'HTTP/1.1', ['Host: a', 'Host: b']],
    ['a user before the host', 'POST', listBots, 'HTTP/1.1', ['Host: u:p@localhost']],
    ['a host with a zone', 'POST', listBots, 'HTTP/1.1', ['Host: [fe80::1%25eth0]:8000']],
    ['a target that is no path', 'POST', 'botrunner.v1.BotService/ListBots', 'HTTP/1.1', ['Host: a']],
    ['a whole URL with a bad host', 'POST', `http://[${listBots}`, 'HTTP/1.1', ['Host: a']],
  ])('with %s is refused, and nothing else happens', async (_title, method, target, version, lines) => {
    const head = [
      `${method} ${target} ${version}`,
      ...lines,
      'Content-Type: application/json',
      'Content-Length: 2',
      '',
      '{}',
    ];
    const { status, text } = await rawRequest(orchestrator.port, head.join('\r\n'));
    expect(status).toBe(400);
    if (!lines.includes('Host: a')) expect(text).toContain('MALFORMED_REQUEST');
    expect(await healthy()).toBe(200);
  });

  it('may leave the host out in HTTP/1.0, or ask with a whole URL', async () => {
    const old = await rawRequest(
      orchestrator.port,
      `POST ${listBots} HTTP/1.0\r\nContent-Type: application/json\r\n\r\n`,
    );
    expect(old.status).toBe(401);
    const whole = await rawRequest(
      orchestrator.port,
      'GET http://any.example/health HTTP/1.1\r\nHost: any.example\r\n\r\n',
    );
    expect(whole.status).toBe(200);
  });

  it('over HTTP/2 with a bad authority is refused', async () => {
    const session = http2.connect(orchestrator.url);
    const status = await new Promise((resolve, reject) => {
      session
        .request({ ':method': 'POST', ':path': listBots, 'content-type': 'application/json', ':authority': '[' })
        .on('response', (answer) => resolve(answer[':status']))
        .on('error', reject)
        .end('{}');
    });
    session.destroy();
    expect(status).toBe(400);
    expect(await healthy()).toBe(200);
  });

  it('with a broken escape in its path is not found', async () => {
    expect((await orchestrator.get('/workers/%/tasks', workerToken)).status).toBe(404);
  });
});

describe('a call without side effects', () => {
  const get = (query: string, method = 'GetBot', token = clientToken) =>
    fetch(`${orchestrator.url}/botrunner.v1.BotService/${method}?${query}`, {
      headers: { authorization: `Bearer ${token}` },
    });

  it('may be made by GET over Connect', async () => {
    const answer = await get('connect=v1&encoding=json&message=%7B%7D', 'ListBots');
    expect([answer.status, await answer.json()]).toEqual([200, { maxBots: 3 }]);
    const none = await get('encoding=proto&base64=1&message=CgRub25l');
    expect([none.status, ((await none.json()) as { code: string }).code]).toEqual([404, 'not_found']);
    expect((await get('encoding=json&message=%7B%7D', 'ListBots', 'wrong')).status).toBe(401);
    expect((await get('encoding=json&message=%7B', 'ListBots')).status).toBe(400);
    expect((await get('encoding=x', 'ListBots')).status).toBe(400);
  });

  it('is the only one', async () => {
    const answer = await get('encoding=json&message=%7B%7D', 'StopBot');
    expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'POST']);
    expect(await answer.json()).toMatchObject({
      code: 'unimplemented',
      details: [{ type: 'botrunner.v1.ErrorDetail' }],
    });
  });
});

describe('a procedure that is not there', () => {
  it.each([
    ['application/json', 404],
    ['application/proto', 404],
    ['application/connect+json', 200],
    ['application/grpc', 200],
    ['application/grpc-web', 200],
    ['text/plain', 404],
  ])('called as %s is unimplemented, with our detail', async (type, status) => {
    const path = '/botrunner.v1.BotService/NoSuchCall';
    const head = `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: ${type}\r\nContent-Length: 0\r\n\r\n`;
    const answer = await fetch(`${orchestrator.url}${path}`, { method: 'POST', headers: { 'content-type': type } });
    expect([answer.status, (await rawRequest(orchestrator.port, head)).status]).toEqual([status, status]);
    const text = `${JSON.stringify([...answer.headers])}${await answer.text()}`;
    if (type !== 'application/grpc') expect(text).toMatch(/unimplemented|grpc-status: ?12/);
    if (!type.startsWith('application/grpc')) expect(text).toContain('botrunner.v1.ErrorDetail');
  });

  it('is UNIMPLEMENTED for a gRPC client', async () => {
    const method = { ...BotService.method.listBots, name: 'NoSuchCall' };
    const transport = createGrpcTransport({ baseUrl: orchestrator.url, interceptors: [bearer(clientToken)] });
    expect(await refusalOf(transport.unary(method, undefined, undefined, undefined, {}))).toEqual([
      'Unimplemented',
      'ROUTE_NOT_FOUND',
    ]);
  });
});

describe('an undecodable message', () => {
  it.each([
    ['application/proto', Buffer.from([0xff, 0xff])],
    ['application/json', Buffer.from('{"botId":5}')],
    ['application/json', Buffer.from('{')],
    ['application/json', Buffer.from([0x22, 0xff, 0x22])],
  ])('as %s is INVALID_ARGUMENT, and is not repeated', async (type, body) => {
    const response = await fetch(`${orchestrator.url}/botrunner.v1.BotService/GetBot`, {
      method: 'POST',
      headers: { authorization: `Bearer ${clientToken}`, 'content-type': type },
      body,
    });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({
      code: 'invalid_argument',
      details: [{ type: 'botrunner.v1.ErrorDetail' }],
    });
  });

  it('never shows its value', async () => {
    const response = await fetch(`${orchestrator.url}/botrunner.v1.BotService/StartBot`, {
      method: 'POST',
      headers: { authorization: `Bearer ${clientToken}`, 'content-type': 'application/json' },
      body: '{"botId":"a","spec":{"env":"canary-secret"}}',
    });
    expect([response.status, await response.text()]).toEqual([400, expect.not.stringContaining('canary')]);
  });
});

describe('a request whose head does not come to its end', () => {
  it('is given up, whether it is the first of its connection or not', async () => {
    const [first, second] = await halfHeads;
    expect(first).toMatch(/^HTTP\/1\.1 408 /);
    expect(second).toMatch(/^HTTP\/1\.1 200 .*HTTP\/1\.1 408 /s);
  }, 60_000);
});

/** What is answered to the bytes by the time the other side has closed the connection. */
function untilClosed(bytes: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let text = '';
  net
    .connect(orchestrator.port, '127.0.0.1', function (this: net.Socket) {
      this.write(bytes);
    })
    .on('data', (data) => {
      text += data.toString('latin1');
    })
    .on('close', () => resolve(text))
    .on('error', reject);
  return promise;
}
