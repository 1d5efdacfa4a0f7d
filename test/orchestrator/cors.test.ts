/** What a browser asks, and the answers it needs to let a page of another origin call: REST, Connect, gRPC-Web, events. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { clientToken, startTestOrchestrator, type TestOrchestrator } from '../kit/orchestrator-for-tests.ts';

const allowed = 'https://app.example';
let orchestrator: TestOrchestrator;
let closed: TestOrchestrator;
beforeAll(async () => {
  orchestrator = await startTestOrchestrator({ env: { CORS_ORIGINS: `${allowed},http://localhost:5173` } });
  closed = await startTestOrchestrator();
});
afterAll(async () => {
  await orchestrator[Symbol.asyncDispose]();
  await closed[Symbol.asyncDispose]();
});

const listBots = '/botrunner.v1.BotService/ListBots';
const ask = (path: string, headers: Record<string, string>, method = 'GET', of = orchestrator) =>
  fetch(`${of.url}${path}`, { method, headers, ...(method === 'POST' ? { body: '{}' } : {}) });
const preflight = (path: string, origin: string, of = orchestrator) =>
  ask(
    path,
    { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization' },
    'OPTIONS',
    of,
  );
const allowOf = ({ headers }: Response) => headers.get('access-control-allow-origin');

describe.each([
  ['REST', '/jobs', 'application/json'],
  ['Connect', listBots, 'application/json'],
  ['gRPC-Web', listBots, 'application/grpc-web+proto'],
])('%s', (_title, path, type) => {
  it('answers a preflight, and shows the answer to an allowed origin, refusals too', async () => {
    const asked = await preflight(path, allowed);
    expect([asked.status, allowOf(asked)]).toEqual([204, allowed]);
    for (const name of ['Authorization', 'Content-Type', 'Connect-Protocol-Version', 'X-Grpc-Web', 'Idempotency-Key']) {
      expect(asked.headers.get('access-control-allow-headers')).toContain(name);
    }
    expect(asked.headers.get('access-control-allow-methods')).toContain('POST');
    const headers = { origin: allowed, 'content-type': type, authorization: `Bearer ${clientToken}` };
    const answer = await ask(path, headers, 'POST');
    expect([allowOf(answer), answer.headers.get('vary')]).toEqual([allowed, 'Origin']);
    for (const name of ['Grpc-Status', 'Retry-After']) {
      expect(answer.headers.get('access-control-expose-headers')).toContain(name);
    }
    const refused = await ask(path, { ...headers, authorization: 'Bearer wrong' }, 'POST');
    expect(allowOf(refused)).toBe(allowed);
    await answer.body?.cancel();
    await refused.body?.cancel();
  });

  it('hostile 13: says nothing to another origin, or without the setting', async () => {
    expect(allowOf(await preflight(path, 'https://evil.example'))).toBeNull();
    expect(allowOf(await preflight(path, `${allowed}.evil.example`))).toBeNull();
    expect(allowOf(await preflight(path, 'null'))).toBeNull();
    expect(allowOf(await preflight(path, allowed, closed))).toBeNull();
  });
});

it('events can be followed by a page', async () => {
  const over = new AbortController();
  const response = await fetch(`${orchestrator.url}/events`, {
    headers: { origin: 'http://localhost:5173', authorization: `Bearer ${clientToken}` },
    signal: over.signal,
  });
  expect([response.status, allowOf(response)]).toEqual([200, 'http://localhost:5173']);
  over.abort();
});

it('* allows every origin', async () => {
  await using open = await startTestOrchestrator({ env: { CORS_ORIGINS: '*' } });
  expect(allowOf(await preflight(listBots, 'https://any.example', open))).toBe('*');
});
