/** Who is let in, over the real port: by which name, how often, from where, and how many at once. */
import http2 from 'node:http2';
import net from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { eventually } from '../kit/eventually.ts';
import {
  clientToken,
  startTestOrchestrator,
  type TestOrchestrator,
  workerToken,
} from '../kit/orchestrator-for-tests.ts';
import { rawRequest } from '../kit/raw-request.ts';

let orchestrator: TestOrchestrator;
afterEach(() => orchestrator[Symbol.asyncDispose]());

const begin = async (env: Readonly<Record<string, string>> = {}) => {
  orchestrator = await startTestOrchestrator({ env });
};
/** A request as a browser or proxy sends it, without a body. */
const ask = async (line: string, headers: Readonly<Record<string, string>>, before = '') => {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  return rawRequest(orchestrator.port, `${before}${[`${line} HTTP/1.1`, ...lines, '', ''].join('\r\n')}`);
};
const authorization = `Bearer ${clientToken}`;
const json = { 'content-type': 'application/json' };

describe('a web page whose name resolves to this machine', () => {
  it('hostile 13: runs nothing, though it knows the development token, over any protocol', async () => {
    await begin();
    const body = JSON.stringify({ blueprint: 'test_workflow', data: { input: 'x' } });
    const page = { host: 'evil.example:8000', origin: 'http://evil.example:8000', authorization, ...json };
    for (const path of ['/jobs', '/botrunner.v1.JobService/CreateJob']) {
      const { status, text } = await ask(`POST ${path}`, { ...page, 'content-length': String(body.length) });
      expect([status, text]).toEqual([403, expect.stringMatching(/PERMISSION_DENIED|permission_denied/)]);
    }
    const session = http2.connect(orchestrator.url);
    const headers = { ':path': '/botrunner.v1.BotService/ListBots', ':method': 'POST', ':authority': 'evil.example' };
    const status = await new Promise((resolve, reject) => {
      const stream = session.request({ ...headers, ...json, authorization });
      stream.on('response', (answer) => resolve(answer[':status'])).on('error', reject);
      stream.end('{}');
    });
    session.destroy();
    expect(status).toBe(403);
    // By a name of ours, but from its own origin.
    expect(
      (await ask('GET /events', { host: 'localhost', origin: 'https://evil.example', authorization })).status,
    ).toBe(403);
    expect((await orchestrator.get('/health')).status).toBe(200);
  });

  it('does not keep workers and monitors out, whatever name they use', async () => {
    await begin();
    const worker = { host: 'orchestrator.internal', authorization: `Bearer ${workerToken}` };
    expect((await ask('GET /workers/none/tasks', worker)).status).toBe(404);
    expect((await ask('GET /health', { host: '10.1.2.3.nip.example' })).status).toBe(200);
  });

  it('has no say over names that the operator has given', async () => {
    await begin({ PUBLIC_NAME: 'bots.example.org', CLIENT_TOKEN: 'c'.repeat(40), WORKER_TOKEN: 'w'.repeat(40) });
    const mine = { host: 'bots.example.org', authorization: `Bearer ${'c'.repeat(40)}` };
    expect((await ask('GET /jobs/none', mine)).status).toBe(404);
    expect((await ask('GET /jobs/none', { ...mine, host: 'other.example.org' })).status).toBe(403);
  });
});

describe('too many requests', () => {
  it('hostile 112: of one user are refused with the time to wait, and do not affect other users', async () => {
    await begin({ REQUESTS_PER_SECOND: '1', ADMIN_TOKEN: 'admin-of-the-test' });
    const answers = await Promise.all(
      Array.from({ length: 30 }, () => ask('GET /jobs/none', { host: 'localhost', authorization })),
    );
    const refused = answers.filter(({ status }) => status === 429);
    expect(refused.length).toBeGreaterThan(5);
    expect(answers.filter(({ status }) => status === 404).length).toBeGreaterThanOrEqual(2);
    expect(refused[0]?.text).toMatch(/retry-after: [1-9]/i);
    expect(refused[0]?.text).toContain('RATE_LIMITED');
    const call = () =>
      fetch(`${orchestrator.url}/botrunner.v1.BotService/ListBots`, {
        method: 'POST',
        headers: { ...json, authorization },
        body: '{}',
      });
    const calls = await Promise.all(Array.from({ length: 10 }, call));
    const tooMany = calls.find(({ status }) => status === 429);
    expect([tooMany?.headers.get('retry-after'), await tooMany?.json()]).toEqual([
      expect.stringMatching(/^[1-9]/),
      expect.objectContaining({ code: 'resource_exhausted' }),
    ]);
    expect(
      (await ask('GET /events?x=1', { host: 'localhost', authorization: 'Bearer admin-of-the-test' })).status,
    ).toBe(400);
  });

  it('with wrong tokens make the address wait, also for a token that can be guessed, but for no other', async () => {
    await begin({ TRUSTED_PROXIES: '127.0.0.1', CLIENT_TOKEN: 'hunter-two', ADMIN_TOKEN: 'a'.repeat(32) });
    const from = (address: string, token: string) =>
      ask('GET /events?x=1', { host: 'localhost', 'x-forwarded-for': address, authorization: `Bearer ${token}` }).then(
        ({ status }) => status,
      );
    expect(await from('192.0.2.1', 'hunter-two')).toBe(400);
    const guesses: number[] = [];
    for (let n = 0; n < 32; n++) guesses.push(await from('192.0.2.1', `hunter-${n}`));
    expect([guesses[0], guesses.at(-1)]).toEqual([401, 429]);
    expect(await from('192.0.2.1', 'hunter-two')).toBe(429);
    expect([await from('192.0.2.1', 'a'.repeat(32)), await from('192.0.2.2', 'hunter-two')]).toEqual([400, 400]);
    // Whoever sits at the machine itself.
    for (let n = 0; n < 32; n++) await from('::1', `hunter-${n}`);
    expect(await from('::1', 'hunter-two')).toBe(400);
  });
});

describe('the address that is counted', () => {
  it('is that of the PROXY protocol, from proxies that are trusted, and from no other', async () => {
    await begin({ TRUSTED_PROXIES: '127.0.0.1' });
    const text = 'PROXY TCP4 192.0.2.1 127.0.0.1 1 2\r\n';
    expect((await ask('GET /health', { host: 'localhost' }, text)).status).toBe(200);
    expect((await ask('GET /health', { host: 'localhost' })).status).toBe(200);
    expect((await rawRequest(orchestrator.port, 'PROXY TCP4 nonsense\r\n').catch(() => ({ text: '' }))).text).toBe('');
    await orchestrator.restart(undefined, { TRUSTED_PROXIES: '10.0.0.0/8' });
    expect((await ask('GET /health', { host: 'localhost' }, text)).status).toBe(400);
  });
});

describe('too many connections', () => {
  /** Connections that say nothing; how many of them are open still. */
  const silent = async (count: number) => {
    const sockets = Array.from({ length: count }, () =>
      net.connect(orchestrator.port, '127.0.0.1').on('error', () => undefined),
    );
    const open = new Set(sockets);
    for (const socket of sockets) socket.once('close', () => open.delete(socket)).resume();
    await Promise.all(
      sockets.map((socket) => new Promise((resolve) => socket.once('connect', resolve).once('close', resolve))),
    );
    return { open, end: () => sockets.forEach((socket) => void socket.destroy()) };
  };

  it('that say nothing make room for the next of their address, which is served', async () => {
    await begin({ MAX_CONNECTIONS: '200' });
    const { open, end } = await silent(100);
    // A tenth of all for one address, and the newest one.
    await eventually(
      'the first are ended',
      () => open.size,
      (size) => size < 100,
    );
    expect((await ask('GET /jobs/none', { host: 'localhost', authorization })).status).toBe(404);
    end();
  });
});
