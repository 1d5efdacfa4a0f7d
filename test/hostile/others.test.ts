/** What a caller may not: calls of another kind of token, and things of other users, which are answered like absent ones. */
import { createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AdminService, TokenScope } from '#gen/botrunner/v1/admin_service_pb.js';
import { ArtifactService } from '#gen/botrunner/v1/artifact_service_pb.js';
import { BotService } from '#gen/botrunner/v1/bot_service_pb.js';
import { JobService } from '#gen/botrunner/v1/job_service_pb.js';
import { WorkerService } from '#gen/botrunner/v1/worker_service_pb.js';
import { startTestOrchestrator, type TestOrchestrator } from '../kit/orchestrator-for-tests.ts';
import { connectScriptedWorker, type ScriptedWorker } from '../kit/scripted-worker.ts';
import { bearer } from '../kit/typed-calls.ts';

let orchestrator: TestOrchestrator;
let worker: ScriptedWorker;
let ann: string;
let bob: string;
/** Of Ann. */
const bot = 'hers';
let job: string;
beforeAll(async () => {
  orchestrator = await startTestOrchestrator();
  worker = await connectScriptedWorker(orchestrator.address);
  await worker.take('welcome');
  const admin = createClient(
    AdminService,
    createGrpcTransport({ baseUrl: orchestrator.url, interceptors: [bearer(tokens.admin)] }),
  );
  const tokenOf = async (userId: string) =>
    (await admin.createToken({ userId, name: 'laptop', scope: TokenScope.CLIENT })).value;
  [ann, bob] = [await tokenOf('ann'), await tokenOf('bob')];
  const started = await rest('POST', '/jobs', ann, jobOf({ action: 'start', bot_id: bot, ...code }));
  job = (JSON.parse(started.text) as { job_id: string }).job_id;
  worker.succeed(await worker.take('ensure'));
});
afterAll(async () => {
  worker.close();
  await orchestrator[Symbol.asyncDispose]();
});

const tokens = { client: 'test-client-token', worker: 'test-worker-token', admin: 'test-admin-token' };
type Kind = keyof typeof tokens;
const kinds = Object.keys(tokens) as readonly Kind[];
const code = { deployment_mode: 'simple', code: 'print(1)' };
const jobOf = (data: object) => ({ blueprint: 'bot_runner', data });

async function rest(method: string, path: string, token: string | undefined, body?: unknown) {
  const response = await fetch(`${orchestrator.url}${path}`, {
    method,
    headers: { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: response.status, text: await response.text() };
}

/** A call with one empty message, as Connect sends it; a stream's refusal comes in its last frame. */
async function call(path: string, isUnary: boolean, token: string | undefined, message: object = {}) {
  const json = Buffer.from(JSON.stringify(message));
  const head = Buffer.alloc(5);
  head.writeUInt32BE(json.length, 1);
  const response = await fetch(`${orchestrator.url}${path}`, {
    method: 'POST',
    headers: {
      'content-type': isUnary ? 'application/json' : 'application/connect+json',
      ...(token && { authorization: `Bearer ${token}` }),
    },
    body: isUnary ? json : Buffer.concat([head, json]),
  });
  // Connect repeats the detail in binary.
  const binary = /"(value|botrunner-error-bin)":(\[?)"[^"]*"/g;
  return { status: response.status, text: (await response.text()).replaceAll(binary, '"$1":$2""') };
}

describe('hostile 3: a token of another kind', () => {
  const services = [
    [BotService, 'client'],
    [JobService, 'client'],
    [ArtifactService, 'client'],
    [AdminService, 'admin'],
    [WorkerService, 'worker'],
  ] as const;
  const calls = services.flatMap(([service, kind]) =>
    service.methods.map(
      (method) => [`/${service.typeName}/${method.name}`, method.methodKind === 'unary', kind] as const,
    ),
  );

  it.each(calls)('is refused by %s', async (path, isUnary, kind) => {
    for (const other of kinds.filter((each) => each !== kind)) {
      const { status, text } = await call(path, isUnary, tokens[other]);
      expect([other, status, text.includes('"permission_denied"')]).toEqual([other, isUnary ? 403 : 200, true]);
    }
    const { status, text } = await call(path, isUnary, undefined);
    expect([status, text.includes('"unauthenticated"')]).toEqual([isUnary ? 401 : 200, true]);
  });

  it.each<[string, string, Kind]>([
    ['POST', '/jobs', 'client'],
    ['GET', '/jobs/01ARZ3NDEKTSV4RRFFQ69G5FAV', 'client'],
    ['POST', '/api/jobs/bot_runner', 'client'],
    ['GET', '/api/jobs/01ARZ3NDEKTSV4RRFFQ69G5FAV', 'client'],
    ['POST', '/workers/register', 'worker'],
    ['POST', '/_worker/workers/register', 'worker'],
    ['PATCH', '/_worker/workers/w', 'worker'],
    ['GET', '/workers/w/tasks', 'worker'],
    ['GET', '/_worker/workers/w/tasks/next', 'worker'],
    ['POST', '/tasks/result', 'worker'],
    ['POST', '/_worker/tasks/result', 'worker'],
  ])('is refused by %s %s', async (method, path, kind) => {
    const body = method === 'GET' ? undefined : {};
    for (const other of kinds.filter((each) => each !== kind)) {
      const { status, text } = await rest(method, path, tokens[other], body);
      expect([other, status, JSON.parse(text).error.code]).toEqual([other, 403, 'PERMISSION_DENIED']);
    }
    expect((await rest(method, path, undefined, body)).status).toBe(401);
  });

  it('is refused by GET /events', async () => {
    expect((await rest('GET', '/events', tokens.worker)).status).toBe(403);
    expect((await rest('GET', '/events', undefined)).status).toBe(401);
  });
});

describe('hostile 113, 114, 115: another user’s bot or job is answered like one that is absent', () => {
  const source = { spec: { simple: { entrypoint: 'bot.py', artifactSha256: 'a'.repeat(64) } } };
  /** Both answers, in which nothing differs but the name that was asked for; and no name of Ann's that was not. */
  const alike = async (
    ask: (name: string) => Promise<{ status: number; text: string }>,
    theirs: string,
    absent: string,
  ) => {
    const [got, wanted] = [await ask(theirs), await ask(absent)];
    expect({ ...got, text: got.text.replaceAll(theirs, absent) }).toEqual(wanted);
    expect(wanted.text).not.toMatch(/ann\b/);
    return wanted;
  };

  it.each<[string, boolean, object]>([
    ['StopBot', true, {}],
    ['RestartBot', true, {}],
    ['DeleteBot', true, {}],
    ['GetBot', true, {}],
    ['UpdateBot', true, source],
    ['ConfigureBot', true, { env: { A: '1' } }],
    ['GetBotConfig', true, {}],
    ['StreamLogs', false, {}],
    ['StreamLogs', false, { cursor: 'w1:1:1' }],
  ])('by %s', async (name, isUnary, fields) => {
    const ask = (botId: string) => call(`/${BotService.typeName}/${name}`, isUnary, bob, { ...fields, botId });
    const { text } = await alike(ask, bot, 'none');
    expect(text).toMatch(/not_found|NOT_FOUND/);
  });

  it.each([
    ['stop', 404],
    ['restart', 404],
    ['delete', 404],
    ['logs', 404],
    ['update', 404],
    ['configure', 404],
    ['config', 404],
  ])('by POST /jobs with the action %s', async (action, status) => {
    const ask = (bot_id: string) =>
      rest(
        'POST',
        '/jobs',
        bob,
        jobOf({
          action,
          bot_id,
          ...(action === 'update' ? code : action === 'configure' ? { env_vars: { A: '1' } } : {}),
        }),
      );
    expect((await alike(ask, bot, 'none')).status).toBe(status);
  });

  it('by status, which says that there is none', async () => {
    for (const bot_id of [bot, 'none']) {
      const asked = await rest('POST', '/jobs', bob, jobOf({ action: 'status', bot_id }));
      const { text } = await rest('GET', `/jobs/${JSON.parse(asked.text).job_id}`, bob);
      expect(JSON.parse(text).data.result).toEqual({ exists: false, bot_id });
    }
  });

  it('by all that names a job', async () => {
    const guessed = `${job.slice(0, -1)}${job.endsWith('0') ? '1' : '0'}`;
    const { status } = await alike((id) => rest('GET', `/jobs/${id}`, bob), job, guessed);
    expect(status).toBe(404);
    for (const [name, isUnary] of [
      ['GetJob', true],
      ['CancelJob', true],
      ['WatchJob', false],
    ] as const) {
      await alike((jobId) => call(`/${JobService.typeName}/${name}`, isUnary, bob, { jobId }), job, guessed);
    }
  });

  it('by events of a bot', async () => {
    const { status } = await alike((name) => rest('GET', `/events?bot=${name}`, bob), bot, 'none');
    expect(status).toBe(404);
  });

  it('and no refusal names bots or workers of others', async () => {
    for (let n = 0; n < 3; n++) {
      await rest('POST', '/jobs', bob, jobOf({ action: 'start', bot_id: `his-${n}`, ...code }));
    }
    const full = await rest('POST', '/jobs', bob, jobOf({ action: 'start', bot_id: 'his-4', ...code }));
    expect(JSON.parse(full.text).error).toMatchObject({
      code: 'QUOTA_EXCEEDED',
      details: { current_bots: 3, max_bots: 3, active_bots: ['his-0', 'his-1', 'his-2'] },
    });
    const nowhere = await rest(
      'POST',
      '/jobs',
      bob,
      jobOf({ action: 'start', bot_id: 'his-0', ...code, on: { zone: 'mars' } }),
    );
    expect([nowhere.status, nowhere.text]).toEqual([409, expect.not.stringMatching(/\bw1\b|hers/)]);
    expect(full.text).not.toMatch(/\bw1\b|hers/);
  });
});
