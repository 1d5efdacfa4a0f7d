/** The REST door, on a real port: what the users' guide promises, and what it refuses. */
import { once } from 'node:events';
import http from 'node:http';
import http2 from 'node:http2';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestOrchestrator, type TestOrchestrator } from '../kit/orchestrator-for-tests.ts';

let orchestrator: TestOrchestrator;
/** When a connection that never says what it speaks is closed. That takes 10 s, so it begins before all tests. */
let silentOne: Promise<unknown>;
beforeAll(async () => {
  orchestrator = await startTestOrchestrator();
  const socket = connect(orchestrator.port, '127.0.0.1');
  socket.write('PR');
  silentOne = once(socket, 'close');
});
afterAll(() => orchestrator[Symbol.asyncDispose]());

const start = { action: 'start', bot_id: 'rest-bot', deployment_mode: 'simple', code: 'print(1)' };

describe('GET /health', () => {
  it('answers {"status":"ok"} to anybody, byte for byte', async () => {
    const response = await fetch(`${orchestrator.url}/health`);
    expect([response.status, await response.text()]).toEqual([200, '{"status":"ok"}']);
  });

  it('answers the same over HTTP/2 without TLS on the same port', async () => {
    const session = http2.connect(orchestrator.url);
    const stream = session.request({ ':path': '/health' });
    let text = '';
    for await (const chunk of stream.setEncoding('utf8')) text += chunk;
    session.close();
    expect(text).toBe('{"status":"ok"}');
  });
});

describe('POST /jobs', () => {
  it('answers 202 with the job, which GET /jobs/{id} shows with its owner’s token', async () => {
    const accepted = await orchestrator.post(start);
    expect(accepted).toEqual({ status: 202, body: { status: 'accepted', job_id: expect.any(String), state: 'init' } });
    const job = await orchestrator.get(`/jobs/${accepted.body.job_id}`);
    expect(job.status).toBe(200);
    expect(Object.keys(job.body)).toEqual(
      expect.arrayContaining([
        'job_id',
        'blueprint',
        'state',
        'current_state',
        'status',
        'data',
        'state_history',
        'created_at',
        'updated_at',
        'deadline_at',
      ]),
    );
    expect(job.body).toMatchObject({
      blueprint: 'bot_runner',
      state: 'start_bot',
      current_state: 'start_bot',
      status: 'waiting_for_worker',
    });
  });

  it('never shows the environment of a bot', async () => {
    const canary = 'canary-71b6e0';
    const accepted = await orchestrator.post({ ...start, env_vars: { BOT_TOKEN: canary } });
    const job = await orchestrator.get(`/jobs/${accepted.body.job_id}`);
    expect(JSON.stringify(job.body)).not.toContain(canary);
  });

  it('answers list and status at once', async () => {
    const list = await orchestrator.get(`/jobs/${(await orchestrator.post({ action: 'list' })).body.job_id}`);
    expect(list.body).toMatchObject({
      status: 'completed',
      state: 'completed',
      data: { result: { bots: [{ bot_id: 'rest-bot', status: 'pending' }], count: 1, max_bots: 3 } },
      state_history: { count: 1 },
    });
    const status = await orchestrator.get(
      `/jobs/${(await orchestrator.post({ action: 'status', bot_id: 'nobody' })).body.job_id}`,
    );
    expect(status.body.data.result).toEqual({ exists: false, bot_id: 'nobody' });
  });

  it('has the alias /api/jobs/{blueprint} with the data as body', async () => {
    const response = await fetch(`${orchestrator.url}/api/jobs/bot_runner`, {
      method: 'POST',
      headers: { 'x-avtomatika-token': 'test-client-token', 'content-type': 'application/json' },
      body: '{"action":"list"}',
    });
    expect(response.status).toBe(202);
    const { job_id } = (await response.json()) as { job_id: string };
    expect((await orchestrator.get(`/api/jobs/${job_id}`)).body.status).toBe('completed');
  });

  it('hostile 14: gives the same job for the same Idempotency-Key, and refuses the key for another body', async () => {
    const headers = { 'idempotency-key': 'key-1' };
    const first = await orchestrator.post({ action: 'list' }, headers);
    const second = await orchestrator.post({ action: 'list' }, headers);
    expect(second.body.job_id).toBe(first.body.job_id);
    const other = await orchestrator.post({ action: 'status', bot_id: 'x' }, headers);
    expect([other.status, other.body.error.code]).toEqual([409, 'IDEMPOTENCY_CONFLICT']);
    const bad = await orchestrator.post({ action: 'list' }, { 'idempotency-key': 'a b' });
    expect([bad.status, bad.body.error.code]).toEqual([400, 'INVALID_IDEMPOTENCY_KEY']);
  });

  it.each<[string, unknown, number, string]>([
    ['a missing action', { bot_id: 'test' }, 400, 'MISSING_REQUIRED_FIELD'],
    ['a missing bot id', { action: 'start' }, 400, 'MISSING_REQUIRED_FIELD'],
    ['a missing mode', { action: 'start', bot_id: 'test' }, 400, 'MISSING_REQUIRED_FIELD'],
    ['missing code', { action: 'start', bot_id: 'test', deployment_mode: 'simple' }, 400, 'MISSING_CODE'],
    ['a bad bot id', { action: 'start', bot_id: 'тест бот!', deployment_mode: 'simple' }, 400, 'INVALID_BOT_ID'],
    ['a bot that is not there', { action: 'stop', bot_id: 'nobody' }, 404, 'BOT_NOT_FOUND'],
    ['text that is no JSON', '{"blueprint":', 400, 'MALFORMED_REQUEST'],
    ['trailing garbage', '{"blueprint":"bot_runner","data":{"action":"list"}} x', 400, 'MALFORMED_REQUEST'],
    ['a byte order mark', '\ufeff{"blueprint":"bot_runner","data":{"action":"list"}}', 400, 'MALFORMED_REQUEST'],
    ['a lone surrogate', '{"blueprint":"bot_runner","data":{"action":"\\ud800"}}', 400, 'MALFORMED_REQUEST'],
    ['a list as body', '[]', 400, 'MALFORMED_REQUEST'],
    ['100,000 brackets', '['.repeat(100_000), 400, 'MALFORMED_REQUEST'],
    ['no blueprint', '{"data":{}}', 400, 'MISSING_REQUIRED_FIELD'],
    ['another blueprint', '{"blueprint":"nope","data":{}}', 400, 'INVALID_BLUEPRINT'],
  ])('refuses %s with code, hint and example, and changes nothing', async (_name, data, status, code) => {
    const before = (await orchestrator.get(`/jobs/${(await orchestrator.post({ action: 'list' })).body.job_id}`)).body
      .data;
    const refused = await orchestrator.post(data);
    expect([refused.status, refused.body.error?.code]).toEqual([status, code]);
    expect(Object.keys(refused.body.error)).toEqual(['code', 'message', 'details', 'hint', 'example']);
    expect(refused.body.error.hint).not.toBe('');
    expect(refused.body.error.example).not.toBeNull();
    const after = (await orchestrator.get(`/jobs/${(await orchestrator.post({ action: 'list' })).body.job_id}`)).body
      .data;
    expect(after).toEqual(before);
  });

  it('shows an example with the refusals of the guide', async () => {
    const missing = await orchestrator.post({ action: 'start', bot_id: 'test' });
    expect(missing.body.error.example).toMatchObject({ blueprint: 'bot_runner', data: { deployment_mode: 'simple' } });
  });

  it('hostile 13: refuses invalid UTF-8 and a body that is not declared as JSON', async () => {
    const send = (headers: Record<string, string>, body: string | Uint8Array<ArrayBuffer>) =>
      fetch(`${orchestrator.url}/jobs`, {
        method: 'POST',
        headers: { authorization: 'Bearer test-client-token', ...headers },
        body,
      });
    expect((await send({ 'content-type': 'application/json' }, new Uint8Array([0x7b, 0xff, 0x7d]))).status).toBe(400);
    expect((await send({ 'content-type': 'text/plain' }, '{}')).status).toBe(415);
  });

  it('refuses a body over 16 MiB with 413, declared or not, and ends the connection', async () => {
    const send = (headers: Record<string, string>) =>
      new Promise<number | undefined>((resolve, reject) => {
        const request = http.request(`${orchestrator.url}/jobs`, {
          method: 'POST',
          headers: { authorization: 'Bearer test-client-token', 'content-type': 'application/json', ...headers },
        });
        let status: number | undefined;
        request.on('response', (response) => {
          status = response.statusCode;
          response.resume();
        });
        request.on('close', () => resolve(status));
        request.on('error', () => resolve(status));
        setTimeout(() => reject(new Error(`still sending; status ${status}`)), 30_000).unref();
        const chunk = Buffer.alloc(1024 * 1024, 0x20);
        const more = (left: number) => {
          if (left > 0 && !request.destroyed) request.write(chunk, () => more(left - 1));
        };
        more(60);
      });
    expect(await send({})).toBe(413);
    expect(await send({ 'content-length': String(200 * 1024 * 1024) })).toBe(413);
  });
});

describe('tokens', () => {
  it.each<[string, Record<string, string>, number, string]>([
    ['none', {}, 401, 'UNAUTHENTICATED'],
    ['an unknown one', { authorization: 'Bearer wrong-token' }, 401, 'UNAUTHENTICATED'],
    ['an empty one', { authorization: 'Bearer ' }, 401, 'UNAUTHENTICATED'],
    ['another scheme', { authorization: 'Basic dGVzdA==' }, 401, 'UNAUTHENTICATED'],
    ['a doubled word', { authorization: 'Bearer Bearer test-client-token' }, 401, 'UNAUTHENTICATED'],
    [
      'two that differ',
      { authorization: 'Bearer test-client-token', 'x-avtomatika-token': 'other-token' },
      401,
      'UNAUTHENTICATED',
    ],
    ['a worker’s', { authorization: 'Bearer test-worker-token' }, 403, 'PERMISSION_DENIED'],
  ])('hostile 1: refuses %s', async (_name, headers, status, code) => {
    const response = await fetch(`${orchestrator.url}/jobs/01ARZ3NDEKTSV4RRFFQ69G5FAV`, { headers });
    const body = (await response.json()) as { error: { code: string } };
    expect([response.status, body.error.code]).toEqual([status, code]);
  });

  it('hostile 16: answers an absent job, an invalid id and a path that climbs alike', async () => {
    for (const id of ['01ARZ3NDEKTSV4RRFFQ69G5FAV', 'x', '%00', '..%2f..%2fetc', 'a'.repeat(5_000)]) {
      const { status, body } = await orchestrator.get(`/jobs/${id}`);
      expect([status, body.error.code]).toEqual([404, 'JOB_NOT_FOUND']);
    }
  });
});

describe('the port', () => {
  it('answers an unknown path with ROUTE_NOT_FOUND', async () => {
    const { status, body } = await orchestrator.get('/nope');
    expect([status, body.error.code]).toEqual([404, 'ROUTE_NOT_FOUND']);
  });

  it('cuts a connection that never says what it speaks', { timeout: 20_000 }, async () => {
    await silentOne;
  });
});
