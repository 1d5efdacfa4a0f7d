/** Hostile requests below the level of JSON: bytes of protobuf, heads, paths, and what a web page can send without asking. */

import { once } from 'node:events';
import http2 from 'node:http2';
import net from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { clientToken, startTestOrchestrator, type TestOrchestrator } from '../kit/orchestrator-for-tests.ts';

let orchestrator: TestOrchestrator;
beforeAll(async () => {
  orchestrator = await startTestOrchestrator();
});
afterAll(() => orchestrator[Symbol.asyncDispose]());

const authorization = `Bearer ${clientToken}`;
const listed = async () => {
  const { body } = await orchestrator.post({ action: 'list' });
  return (await orchestrator.get(`/jobs/${body.job_id}`)).body.data.result.bots;
};

describe('hostile 12: protobuf that is none, or too much', () => {
  /** A field of wire type 2, with the length that it says and the bytes that follow. */
  const field = (number: number, bytes: Buffer, length = bytes.length) => {
    const head: number[] = [(number << 3) | 2];
    for (let rest = length; ; rest = Math.floor(rest / 128)) {
      if (rest < 128) {
        head.push(rest);
        break;
      }
      head.push((rest % 128) | 128);
    }
    return Buffer.concat([Buffer.from(head), bytes]);
  };
  /** The field again and again inside itself. */
  const nested = (number: number, depth: number) => {
    let bytes = Buffer.alloc(0);
    for (let n = 0; n < depth; n++) bytes = field(number, bytes);
    return bytes;
  };
  const start = '/botrunner.v1.BotService/StartBot';
  const create = '/botrunner.v1.JobService/CreateJob';
  const list = '/botrunner.v1.BotService/ListBots';
  const cases: readonly (readonly [string, string, Buffer, number])[] = [
    ['a cut varint', start, Buffer.from([0x08, 0xff]), 3],
    ['a varint of eleven bytes', start, Buffer.alloc(11, 0xff), 3],
    ['a length of 2 GB', start, field(1, Buffer.from('x'), 2 ** 31 - 1), 3],
    ['a length below zero', start, field(1, Buffer.from('x'), 2 ** 63), 3],
    ['a wire type that is none', start, Buffer.from([0x0f, 1]), 3],
    ['a group that does not end', start, Buffer.from([0x0b]), 3],
    ['a field with number zero', start, Buffer.from([0x02, 0]), 3],
    ['text that is not UTF-8', start, field(1, Buffer.from([0xc3, 0x28])), 3],
    ['10,000 levels', create, nested(2, 10_000), 3],
    ['a value of 10,000 lists', create, field(2, field(1, nested(6, 10_000))), 3],
    ['5 MB for a call without a source', list, field(9, Buffer.alloc(5_000_000)), 8],
  ];

  /** What a plain gRPC call ends with, by its trailers. */
  const grpc = async (path: string, message: Buffer) => {
    const session = http2.connect(orchestrator.url).on('error', () => undefined);
    const stream = session.request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc+proto',
      te: 'trailers',
      authorization,
    });
    const head = Buffer.alloc(5);
    head.writeUInt32BE(message.length, 1);
    let status: unknown;
    const note = (headers: http2.IncomingHttpHeaders) => {
      status ??= headers['grpc-status'];
    };
    stream
      .on('response', note)
      .on('trailers', note)
      .on('error', () => undefined)
      .resume();
    stream.end(Buffer.concat([head, message]));
    await once(stream, 'close');
    session.destroy();
    return Number(status);
  };

  it.each(cases)('%s', async (_title, path, message, code) => {
    expect(await grpc(path, message)).toBe(code);
    const response = await fetch(`${orchestrator.url}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/proto', authorization },
      body: new Uint8Array(message),
    });
    expect([response.status, ((await response.json()) as { code: string }).code]).toEqual(
      code === 3 ? [400, 'invalid_argument'] : [429, 'resource_exhausted'],
    );
    expect((await orchestrator.get('/health')).status).toBe(200);
  });

  it('a frame that says 2 GB is refused by its head', async () => {
    const session = http2.connect(orchestrator.url).on('error', () => undefined);
    const stream = session.request({
      ':method': 'POST',
      ':path': start,
      'content-type': 'application/grpc',
      authorization,
    });
    const status = new Promise((resolve) => {
      const note = (headers: http2.IncomingHttpHeaders) => {
        if (headers['grpc-status'] !== undefined) resolve(Number(headers['grpc-status']));
      };
      stream.on('response', note).on('trailers', note);
    });
    stream.on('error', () => undefined).resume();
    stream.write(Buffer.from([0, 0x7f, 0xff, 0xff, 0xff, 1]));
    expect(await status).toBe(8);
    session.destroy();
  });

  it('unknown fields and enum values of a later client are passed over or refused, never an error of ours', async () => {
    expect(await grpc(list, Buffer.concat([field(1000, Buffer.from('x')), Buffer.from([0x08, 0x01])]))).toBe(0);
    // spec.simple.runtime -1
    const spec = field(
      1,
      Buffer.concat([field(3, Buffer.from('bot.py')), Buffer.from([0x10, ...Array(9).fill(0xff), 1])]),
    );
    expect([3, 5]).toContain(await grpc(start, Buffer.concat([field(1, Buffer.from('a')), field(2, spec)])));
  });
});

describe('hostile 13: what a page of another origin can send without being asked', () => {
  const body = JSON.stringify({ blueprint: 'bot_runner', data: { action: 'list' } });
  it.each([
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/jsonx',
    'text/json',
    '',
  ])('a body of the type "%s" is refused with 415', async (type) => {
    for (const path of ['/jobs', '/api/jobs/bot_runner', '/botrunner.v1.JobService/CreateJob']) {
      const response = await fetch(`${orchestrator.url}${path}`, {
        method: 'POST',
        headers: { authorization, 'content-type': type },
        body,
      });
      expect([path, type, response.status]).toEqual([path, type, 415]);
    }
  });

  it('an origin that is allowed gets no credentials of the browser, and another one nothing', async () => {
    await using open = await startTestOrchestrator({ env: { CORS_ORIGINS: '*' } });
    const ask = async (url: string) =>
      fetch(`${url}/jobs`, {
        method: 'OPTIONS',
        headers: { origin: 'https://evil.example', 'access-control-request-method': 'POST' },
      });
    const allowed = await ask(open.url);
    expect(allowed.headers.get('access-control-allow-origin')).toBe('*');
    expect(allowed.headers.get('access-control-allow-credentials')).toBeNull();
    expect((await ask(orchestrator.url)).headers.get('access-control-allow-origin')).toBeNull();
  });
});

describe('hostile 14: an Idempotency-Key', () => {
  const data = { action: 'start', bot_id: 'keyed', deployment_mode: 'simple', code: 'print(1)' };
  it.each([
    ['with a space', 'a b'],
    ['with a control character', 'a\tb'],
    ['beyond ASCII', 'ключ'],
    ['of 256 characters', 'k'.repeat(256)],
    ['of nothing', ''],
  ])('%s is refused, over REST and Connect', async (_title, key) => {
    const header = Buffer.from(key).toString('latin1');
    const before = await listed();
    for (const path of ['/jobs', '/botrunner.v1.JobService/CreateJob']) {
      const response = await fetch(`${orchestrator.url}${path}`, {
        method: 'POST',
        headers: { authorization, 'content-type': 'application/json', 'idempotency-key': header },
        body: JSON.stringify({ blueprint: 'bot_runner', data }),
      });
      expect([response.status, await response.text()]).toEqual([
        400,
        expect.stringContaining('INVALID_IDEMPOTENCY_KEY'),
      ]);
    }
    expect(await listed()).toEqual(before);
  });

  it('of a megabyte ends its connection, and nobody else’s', async () => {
    const answer = await raw(
      `POST /jobs HTTP/1.1\r\nHost: localhost\r\nIdempotency-Key: ${'k'.repeat(1_000_000)}\r\n\r\n`,
    );
    expect(answer).toMatch(/^(HTTP\/1\.1 431 |$)/);
    expect((await orchestrator.get('/health')).status).toBe(200);
  });
});

describe('hostile 16: the id of a job', () => {
  it.each([
    '../../etc/passwd',
    '..%2f..%2fetc%2fpasswd',
    '%2e%2e/%2e%2e/health',
    '%00',
    '%',
    '%c3%28',
    'a'.repeat(5_000),
    "1' OR '1'='1",
    '__proto__',
  ])('%.40s is not found', async (id) => {
    const answer = await raw(
      `GET /jobs/${encodeURI(id).replaceAll('%25', '%')} HTTP/1.1\r\nHost: localhost\r\nAuthorization: ${authorization}\r\nConnection: close\r\n\r\n`,
    );
    expect(answer.split('\r\n')[0]).toBe('HTTP/1.1 404 Not Found');
    expect(answer).toMatch(/JOB_NOT_FOUND|ROUTE_NOT_FOUND/);
  });

  it('of a megabyte is refused', async () => {
    const answer = await raw(`GET /jobs/${'a'.repeat(1_000_000)} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
    expect(answer).toMatch(/^(HTTP\/1\.1 4(04|14|31) |$)/);
  });
});

describe('hostile 17: a request that another server would read as two', () => {
  const smuggled = 'GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n';
  const post = (...lines: readonly string[]) =>
    [
      'POST /jobs HTTP/1.1',
      'Host: localhost',
      `Authorization: ${authorization}`,
      'Content-Type: application/json',
      ...lines,
      '',
      '',
    ].join('\r\n');
  it.each([
    ['a length and chunks', post('Content-Length: 4', 'Transfer-Encoding: chunked'), `0\r\n\r\n${smuggled}`],
    ['chunks and a length', post('Transfer-Encoding: chunked', 'Content-Length: 4'), `0\r\n\r\n${smuggled}`],
    ['two lengths', post('Content-Length: 2', 'Content-Length: 40'), `{}${smuggled}`],
    ['two lengths in one line', post('Content-Length: 2, 40'), `{}${smuggled}`],
    ['a length with a sign', post('Content-Length: +2'), `{}${smuggled}`],
    ['a length with a letter', post('Content-Length: 2x'), `{}${smuggled}`],
    ['chunks that are not the last coding', post('Transfer-Encoding: chunked, identity'), `0\r\n\r\n${smuggled}`],
    ['a coding that is none', post('Transfer-Encoding: xchunked'), `0\r\n\r\n${smuggled}`],
    ['a space before the colon', post('Transfer-Encoding : chunked'), `0\r\n\r\n${smuggled}`],
    ['a folded header', post('X-A: b', ' Transfer-Encoding: chunked', 'Content-Length: 2'), `{}${smuggled}`],
    ['a bare line feed', post('X-A: b\nTransfer-Encoding: chunked'), `0\r\n\r\n${smuggled}`],
    ['a chunk with a bad size', post('Transfer-Encoding: chunked'), `0x2\r\n{}\r\n0\r\n\r\n${smuggled}`],
    ['a NUL in a header', post('X-A: b\0c', 'Content-Length: 2'), `{}${smuggled}`],
  ])('%s gets one answer at the most, which is a refusal', async (_title, head, rest) => {
    const answer = await raw(head + rest);
    const statuses = [...answer.matchAll(/^HTTP\/1\.1 (\d{3})/gm)].map(([, status]) => Number(status));
    expect(statuses.length).toBeLessThanOrEqual(1);
    expect(statuses.filter((status) => status < 400)).toEqual([]);
  });

  it('an override of the method changes nothing', async () => {
    for (const name of ['x-http-method-override', 'x-method-override', 'x-http-method']) {
      const headers = { authorization, [name]: 'POST', 'content-type': 'application/json' };
      const response = await fetch(`${orchestrator.url}/jobs`, { headers });
      expect([name, response.status]).toEqual([name, 405]);
      const got = await fetch(`${orchestrator.url}/jobs?_method=POST`, { headers });
      expect(got.status).toBe(405);
    }
  });
});

/** All that comes back until the connection ends, or nothing more has come for a moment after a whole answer. */
async function raw(text: string): Promise<string> {
  // A reset is an answer as well.
  const socket = net.connect(orchestrator.port, '127.0.0.1').on('error', () => undefined);
  let answer = '';
  socket.on('data', (data) => {
    answer += data.toString('latin1');
  });
  socket.write(text, 'latin1');
  // Of a request that is kept waiting for the rest of its body, nothing but the end of our side makes an end.
  socket.end();
  await new Promise((resolve) => socket.once('close', resolve));
  return answer;
}
