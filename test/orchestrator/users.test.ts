/** Several users: their tokens, and that none of them sees another's bots, jobs and logs. */

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Code, ConnectError, createClient, type Transport } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AdminService, TokenScope } from '#gen/botrunner/v1/admin_service_pb.js';
import { BotService } from '#gen/botrunner/v1/bot_service_pb.js';
import { ErrorDetailSchema } from '#gen/botrunner/v1/error_pb.js';
import { JobService } from '#gen/botrunner/v1/job_service_pb.js';
import { startTestOrchestrator, type TestOrchestrator } from '../kit/orchestrator-for-tests.ts';
import { connectScriptedWorker, type ScriptedWorker } from '../kit/scripted-worker.ts';
import { bearer } from '../kit/typed-calls.ts';

let orchestrator: TestOrchestrator;
let worker: ScriptedWorker;
beforeEach(async () => {
  orchestrator = await startTestOrchestrator();
  worker = await connectScriptedWorker(orchestrator.address);
  await worker.take('welcome');
});
afterEach(async () => {
  worker.close();
  await orchestrator[Symbol.asyncDispose]();
});

const transport = (token: string): Transport =>
  createGrpcTransport({
    baseUrl: orchestrator.url,
    interceptors: [bearer(token)],
  });
const admin = () => createClient(AdminService, transport('test-admin-token'));
const newToken = async (userId: string, name = 'laptop') =>
  (await admin().createToken({ userId, name, scope: TokenScope.CLIENT })).value;
const codeOf = async (call: Promise<unknown>) => {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return error instanceof ConnectError ? (error.findDetails(ErrorDetailSchema)[0]?.code ?? Code[error.code]) : error;
};
const as = (token: string, data: unknown) => orchestrator.post(data, { authorization: `Bearer ${token}` });
const start = { action: 'start', bot_id: 'same', deployment_mode: 'simple', code: 'print(1)' };

describe('users', () => {
  it('hostile 114: have bots of the same name apart, and another’s are not found', async () => {
    const [ann, bob] = [await newToken('ann'), await newToken('bob')];
    const job = await as(ann, start);
    const first = await worker.take('ensure');
    worker.succeed(first);
    expect((await as(bob, { action: 'stop', bot_id: 'same' })).body.error.code).toBe('BOT_NOT_FOUND');
    expect((await orchestrator.get(`/jobs/${job.body.job_id}`, bob)).body.error.code).toBe('JOB_NOT_FOUND');
    const bobs = createClient(BotService, transport(bob));
    expect(await codeOf(bobs.getBot({ botId: 'same' }))).toBe('BOT_NOT_FOUND');
    expect(
      await codeOf(
        (async () => {
          for await (const _ of bobs.streamLogs({ botId: 'same' })) return;
        })(),
      ),
    ).toBe('BOT_NOT_FOUND');
    expect(await codeOf(createClient(JobService, transport(bob)).cancelJob({ jobId: job.body.job_id }))).toBe(
      'JOB_NOT_FOUND',
    );
    expect((await bobs.listBots({})).bots).toEqual([]);
    await as(bob, { ...start, user_id: 'ann' });
    const second = await worker.take('ensure');
    expect([first.userId, second.userId]).toEqual(['ann', 'bob']);
    expect((await bobs.listBots({})).count).toBe(1);
  });

  it('may only start artifacts that they uploaded themselves', async () => {
    const [ann, bob] = [await newToken('ann'), await newToken('bob')];
    await as(ann, start);
    const { spec } = await worker.take('ensure');
    expect(
      await codeOf(createClient(BotService, transport(bob)).startBot({ botId: 'b', ...(spec ? { spec } : {}) })),
    ).toBe('ARTIFACT_NOT_FOUND');
  });
});

describe('tokens', () => {
  it('hostile 2: are listed without their values, which no file holds', async () => {
    const value = await newToken('ann');
    expect(value).toMatch(/^bot_[\w-]{43}$/);
    const { tokens } = await admin().listTokens({});
    expect(
      tokens.map(({ userId, name, configured }) => `${userId}/${name}${configured ? ' (configured)' : ''}`),
    ).toEqual([
      'admin/ADMIN_TOKEN (configured)',
      'ann/laptop',
      'dev/CLIENT_TOKEN (configured)',
      'worker/WORKER_TOKEN (configured)',
    ]);
    const dir = join(orchestrator.dir, 'orchestrator');
    for (const file of readdirSync(dir)) expect(readFileSync(join(dir, file)).includes(value)).toBe(false);
  });

  it('hostile 4: work after a restart, and not after they were revoked, not even for a call that is open', async () => {
    const value = await newToken('ann');
    await orchestrator.restart();
    const job = await as(value, start);
    expect(job.status).toBe(202);
    let revoked = false;
    const watching = (async () => {
      for await (const _ of createClient(JobService, transport(value)).watchJob({ jobId: job.body.job_id })) {
        if (!revoked) {
          revoked = true;
          await admin().revokeToken({ userId: 'ann', name: 'laptop' });
        }
      }
    })();
    expect(await codeOf(watching)).toBe('UNAUTHENTICATED');
    expect((await as(value, { action: 'list' })).status).toBe(401);
    await orchestrator.restart();
    expect((await as(value, { action: 'list' })).status).toBe(401);
  });

  it.each([
    ['a bad user', { userId: 'Ann', name: 'a', scope: TokenScope.CLIENT }, 'INVALID_USER_ID'],
    ['a bad name', { userId: 'ann', name: 'a b', scope: TokenScope.CLIENT }, 'INVALID_TOKEN_NAME'],
    ['no scope', { userId: 'ann', name: 'a' }, 'INVALID_SCOPE'],
    ['a name that is taken', { userId: 'dev', name: 'CLIENT_TOKEN', scope: TokenScope.CLIENT }, 'CONFLICTING_FIELDS'],
  ])('with %s are refused', async (_name, request, code) => {
    expect(await codeOf(admin().createToken(request))).toBe(code);
  });

  it('are the operator’s alone to make, and those of the settings are not revoked here', async () => {
    const client = createClient(AdminService, transport('test-client-token'));
    expect(await codeOf(client.listTokens({}))).toBe('PERMISSION_DENIED');
    expect(await codeOf(admin().revokeToken({ userId: 'dev', name: 'CLIENT_TOKEN' }))).toBe('PERMISSION_DENIED');
    expect(await codeOf(admin().revokeToken({ userId: 'dev', name: 'nope' }))).toBe('TOKEN_NOT_FOUND');
  });
});
