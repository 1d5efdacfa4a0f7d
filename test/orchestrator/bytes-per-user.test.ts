/** How much one user may store, over every door, and that nobody else is held up by it. */
import { createHash } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { pack } from 'tar-stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AdminService, TokenScope } from '#gen/botrunner/v1/admin_service_pb.js';
import { ArtifactService } from '#gen/botrunner/v1/artifact_service_pb.js';
import { JobService } from '#gen/botrunner/v1/job_service_pb.js';
import { eventually } from '../kit/eventually.ts';
import { clientToken, startTestOrchestrator, type TestOrchestrator } from '../kit/orchestrator-for-tests.ts';
import { bearer, refusalOf } from '../kit/typed-calls.ts';

const mib = 1024 * 1024;
let orchestrator: TestOrchestrator;
beforeEach(async () => {
  orchestrator = await startTestOrchestrator({ env: { MAX_SOURCE_MB_PER_USER: '4' } });
});
afterEach(() => orchestrator[Symbol.asyncDispose]());

/** Random bytes, so that no two are alike. */
async function tarOf(name: string, bytes: number): Promise<Buffer> {
  const tar = pack();
  const content = Buffer.alloc(bytes);
  for (let at = 0; at < bytes; at += 32) createHash('sha256').update(`${name} ${at}`).digest().copy(content, at);
  tar.entry({ name: 'bot.py' }, content);
  tar.finalize();
  return buffer(tar);
}

const artifacts = (token = clientToken) =>
  createClient(ArtifactService, createGrpcTransport({ baseUrl: orchestrator.url, interceptors: [bearer(token)] }));

async function* inPieces(bytes: Buffer, pieceBytes = 256 * 1024) {
  for (let at = 0; at < bytes.length; at += pieceBytes) yield { chunk: bytes.subarray(at, at + pieceBytes) };
}
const upload = async (name: string, bytes: number, token?: string) =>
  wordOf(artifacts(token).uploadArtifact(inPieces(await tarOf(name, bytes))));
/** `ok`, or the code of the refusal. */
async function wordOf(call: Promise<unknown>): Promise<unknown> {
  const refusal = await refusalOf(call);
  return Array.isArray(refusal) ? refusal[1] : refusal === 'it was taken' ? 'ok' : refusal;
}
const usage = async (token = clientToken) => (await orchestrator.get('/usage', token)).body;
const admin = () =>
  createClient(
    AdminService,
    createGrpcTransport({ baseUrl: orchestrator.url, interceptors: [bearer('test-admin-token')] }),
  );
const tokenOf = async (userId: string) =>
  (await admin().createToken({ userId, name: 'laptop', scope: TokenScope.CLIENT })).value;

describe('the sources of a user', () => {
  const start = (n: number, characters: number) =>
    orchestrator.post({
      action: 'start',
      bot_id: `b${n}`,
      deployment_mode: 'simple',
      code: `# ${n} ${'x'.repeat(characters)}`,
    });

  it('are as many as fit of a hundred that come at once, and not one more', async () => {
    await orchestrator[Symbol.asyncDispose]();
    orchestrator = await startTestOrchestrator({
      env: { MAX_SOURCE_MB_PER_USER: '4', MAX_BOTS_PER_USER: '1000' },
    });
    const answers = await Promise.all(Array.from({ length: 100 }, (_, n) => start(n, 100_000 + (n % 10))));
    const taken = answers.filter(({ status }) => status === 202).length;
    const { sources } = await usage();
    expect(sources).toMatchObject({ count: taken, limit_bytes: 4 * mib });
    const each = sources.used_bytes / taken;
    expect(taken).toBe(Math.floor((4 * mib) / each));
    const refused = answers.find(({ status }) => status !== 202)?.body.error;
    expect(refused).toMatchObject({
      code: 'QUOTA_EXCEEDED',
      details: { quota: 'source_bytes', limit: 4 * mib, needed: each },
    });
    expect(refused.details.used + each).toBeGreaterThan(4 * mib);
    await orchestrator.restart();
    expect((await usage()).sources).toEqual(sources);
  }, 60_000);

  it('of which several uploads were under way at the last byte are as many as fit, and the rest leaves nothing', async () => {
    const codes = await Promise.all(Array.from({ length: 6 }, (_, n) => upload(`at-once-${n}`, 1.2 * mib)));
    expect(codes.sort()).toEqual([...Array(3).fill('QUOTA_EXCEEDED'), ...Array(3).fill('ok')]);
    await eventually('nothing of them is left', usage, ({ sources }) => sources.upload_bytes === 0);
    expect((await usage()).sources).toMatchObject({ count: 3 });
    expect(await upload('small', 0.2 * mib)).toBe('ok');
  });

  it('count in full for each of two users who have the same, and one who is full holds up nobody else', async () => {
    const ann = await tokenOf('ann');
    expect([await upload('same', 3 * mib), await upload('same', 3 * mib, ann)]).toEqual(['ok', 'ok']);
    const [mine, anns] = [(await usage()).sources, (await usage(ann)).sources];
    expect(mine).toEqual(anns);
    expect(await upload('more', 2 * mib)).toBe('QUOTA_EXCEEDED');
    expect(await upload('anns', 0.5 * mib, ann)).toBe('ok');
  });

  it('that were cut off in the middle, by the client or by the end of the orchestrator, take nothing', async () => {
    const cut = async (name: string) => {
      const ending = new AbortController();
      const bytes = await tarOf(name, 2 * mib);
      async function* stalls() {
        yield* inPieces(bytes.subarray(0, 1.5 * mib));
        await new Promise((_resolve, reject) => {
          ending.signal.addEventListener('abort', () => reject(new Error('cut')));
        });
      }
      const call = artifacts().uploadArtifact(stalls(), { signal: ending.signal });
      call.catch(() => undefined);
      await eventually('it is under way', usage, ({ sources }) => sources.upload_bytes >= 1.25 * mib);
      return ending;
    };
    (await cut('left')).abort();
    await eventually('it is gone', usage, ({ sources }) => sources.upload_bytes === 0);
    const second = await cut('second');
    await orchestrator.restart();
    second.abort();
    expect((await usage()).sources).toMatchObject({ count: 0, used_bytes: 0, upload_bytes: 0 });
    expect(await upload('whole', 3 * mib)).toBe('ok');
  });
});

describe('usage', () => {
  it('says what a user has, and to the admin who has the most', async () => {
    const ann = await tokenOf('ann');
    await upload('anns', 2 * mib, ann);
    await orchestrator.post({ action: 'list' });
    expect(await usage()).toMatchObject({
      bots: { count: 0, limit: 3 },
      sources: { count: 0, used_bytes: 0 },
      jobs: { count: 1, limit_bytes: 64 * mib },
      events: { count: 3 },
    });
    const { users } = await admin().listUsage({});
    expect(users[0]).toMatchObject({ userId: 'ann', usage: { sources: 1n } });
    expect(users.map(({ userId }) => userId)).toContain('dev');
  });
});

it('a user whose open jobs take all they may can still stop a bot and delete it', async () => {
  await orchestrator[Symbol.asyncDispose]();
  orchestrator = await startTestOrchestrator({ env: { MAX_JOB_MB_PER_USER: '1' } });
  const bot = { action: 'start', bot_id: 'b', deployment_mode: 'simple', code: 'x' };
  expect((await orchestrator.post(bot)).status).toBe(202);
  const jobs = createClient(
    JobService,
    createGrpcTransport({ baseUrl: orchestrator.url, interceptors: [bearer(clientToken)] }),
  );
  const flood = (length: number) =>
    wordOf(jobs.createJob({ blueprint: 'test_workflow', data: { input: 'x'.repeat(length) } }));
  for (const length of [60_000, 1_000, 1]) {
    while ((await flood(length)) === 'ok');
  }
  expect((await orchestrator.post({ action: 'restart', bot_id: 'b' })).body.error?.code).toBe('QUOTA_EXCEEDED');
  expect((await orchestrator.post({ action: 'stop', bot_id: 'b' })).status).toBe(202);
  expect((await orchestrator.post({ action: 'delete', bot_id: 'b' })).status).toBe(202);
});
