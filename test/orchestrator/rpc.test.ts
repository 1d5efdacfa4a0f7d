/** The typed doors on the same port: Connect, gRPC and gRPC-Web clients, typed errors, uploads, watching. */
import { createHash } from 'node:crypto';
import { Code, ConnectError, createClient, type Transport } from '@connectrpc/connect';
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from '@connectrpc/connect-node';
import tar from 'tar-stream';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ArtifactService } from '#gen/botrunner/v1/artifact_service_pb.js';
import { BotState } from '#gen/botrunner/v1/bot_pb.js';
import { BotService } from '#gen/botrunner/v1/bot_service_pb.js';
import { ErrorDetailSchema, ErrorReason } from '#gen/botrunner/v1/error_pb.js';
import { JobStatus } from '#gen/botrunner/v1/job_pb.js';
import { JobService } from '#gen/botrunner/v1/job_service_pb.js';
import { LogStream } from '#gen/botrunner/v1/log_pb.js';
import { clientToken, startTestOrchestrator, type TestOrchestrator } from '../kit/orchestrator-for-tests.ts';
import { connectScriptedWorker, type ScriptedWorker } from '../kit/scripted-worker.ts';
import { bearer } from '../kit/typed-calls.ts';

let orchestrator: TestOrchestrator;
const workers: ScriptedWorker[] = [];
beforeAll(async () => {
  orchestrator = await startTestOrchestrator({ env: { MAX_BOTS_PER_USER: '50' } });
});
afterEach(() => {
  for (const worker of workers.splice(0)) worker.close();
});
afterAll(() => orchestrator[Symbol.asyncDispose]());

const interceptors = [bearer(clientToken)];
const transports: [string, () => Transport][] = [
  ['gRPC', () => createGrpcTransport({ baseUrl: orchestrator.url, interceptors })],
  ['Connect over HTTP/2', () => createConnectTransport({ baseUrl: orchestrator.url, httpVersion: '2', interceptors })],
  [
    'Connect over HTTP/1.1',
    () => createConnectTransport({ baseUrl: orchestrator.url, httpVersion: '1.1', interceptors }),
  ],
  ['gRPC-Web', () => createGrpcWebTransport({ baseUrl: orchestrator.url, httpVersion: '1.1', interceptors })],
];
const grpc = () => createGrpcTransport({ baseUrl: orchestrator.url, interceptors });

type TarEntry = { name: string; type?: 'file' | 'symlink' | 'character-device'; linkname?: string; content?: string };
async function pack(entries: readonly TarEntry[]): Promise<Buffer> {
  const out = tar.pack();
  for (const { content = '', ...header } of entries) out.entry({ type: 'file', ...header }, content);
  out.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of out) chunks.push(chunk as Buffer); // tar-stream packs Buffers
  return Buffer.concat(chunks);
}

const upload = (bytes: Uint8Array, expectedSha256 = '') =>
  createClient(ArtifactService, grpc()).uploadArtifact(
    (async function* () {
      for (let at = 0; at === 0 || at < bytes.length; at += 65_536) {
        yield { chunk: bytes.subarray(at, at + 65_536), ...(at === 0 ? { expectedSha256 } : {}) };
      }
    })(),
  );

const refusal = async (call: Promise<unknown>) => {
  const error = await call.then(
    () => new Error('it was not refused'),
    (reason: unknown) => reason,
  );
  if (!(error instanceof ConnectError)) throw error;
  return { code: error.code, detail: error.findDetails(ErrorDetailSchema)[0] };
};

describe.each(transports)('%s', (_name, transport) => {
  it('lists bots', async () => {
    expect(await createClient(BotService, transport()).listBots({})).toMatchObject({ maxBots: 50 });
  });

  it('gets a refusal with code, hint and example as a typed detail', async () => {
    const { code, detail } = await refusal(createClient(BotService, transport()).startBot({ botId: 'тест бот!' }));
    expect(code).toBe(Code.InvalidArgument);
    expect(detail).toMatchObject({
      reason: ErrorReason.INVALID_BOT_ID,
      code: 'INVALID_BOT_ID',
      hint: expect.stringContaining('1 to 64'),
    });
    expect(detail?.example).toBeDefined();
  });
});

describe('an upload', () => {
  it('is stored under its sha256, once for the same bytes', async () => {
    const bytes = await pack([{ name: 'bot.py', content: 'x'.repeat(700_000) }, { name: 'sub/a.py' }]);
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    expect(await upload(bytes, sha256)).toMatchObject({ sha256, sizeBytes: BigInt(bytes.length) });
    expect(await upload(bytes)).toMatchObject({ sha256 });
  });

  it.each<[string, () => Promise<Uint8Array>, string]>([
    ['a link', () => pack([{ name: 'a', type: 'symlink', linkname: '/etc/passwd' }]), 'INVALID_ARCHIVE'],
    ['a device', () => pack([{ name: 'a', type: 'character-device' }]), 'INVALID_ARCHIVE'],
    ['a path that climbs', () => pack([{ name: '../a' }]), 'INVALID_ARCHIVE'],
    ['an absolute path', () => pack([{ name: '/etc/cron.d/x' }]), 'INVALID_ARCHIVE'],
    ['no file', () => pack([]), 'INVALID_ARCHIVE'],
    ['nothing', async () => new Uint8Array(), 'INVALID_ARCHIVE'],
    ['bytes that are no tar', async () => Buffer.alloc(4096, 'x'), 'INVALID_ARCHIVE'],
  ])('with %s is refused and leaves nothing', async (_name, bytes, code) => {
    expect((await refusal(upload(await bytes()))).detail?.code).toBe(code);
  });

  it('with another sha256 than promised is refused', async () => {
    const { detail } = await refusal(upload(await pack([{ name: 'bot.py' }]), '0'.repeat(64)));
    expect(detail?.code).toBe('INVALID_ARCHIVE');
  });
});

describe('StartBot', () => {
  const spec = (artifactSha256: string, extra = {}) => ({
    source: { case: 'simple' as const, value: { artifactSha256, entrypoint: 'bot.py', ...extra } },
  });

  it('refuses an artifact that its user has not uploaded', async () => {
    const { code, detail } = await refusal(
      createClient(BotService, grpc()).startBot({ botId: 'a', spec: spec('0'.repeat(64)) }),
    );
    expect([code, detail?.code]).toEqual([Code.NotFound, 'ARTIFACT_NOT_FOUND']);
  });

  it.each([
    ['no spec', undefined, 'MISSING_REQUIRED_FIELD'],
    ['no artifact', spec(''), 'MISSING_CODE'],
    ['an entrypoint that climbs', spec('0'.repeat(64), { entrypoint: '../x.py' }), 'INVALID_ENTRYPOINT'],
    ['an option as requirement', spec('0'.repeat(64), { requirements: ['--index-url x'] }), 'INVALID_REQUIREMENTS'],
    ['a bad variable', { ...spec('0'.repeat(64)), env: { 'A B': 'x' } }, 'INVALID_ENV_VARS'],
    ['too much memory', { ...spec('0'.repeat(64)), limits: { memoryBytes: 1n << 60n } }, 'INVALID_RESOURCE_LIMITS'],
  ])('refuses %s', async (_name, value, code) => {
    const request = value === undefined ? { botId: 'a' } : { botId: 'a', spec: value };
    expect((await refusal(createClient(BotService, grpc()).startBot(request))).detail?.code).toBe(code);
  });

  it('is followed by WatchJob with every state, the build output and the end', async () => {
    const worker = await connectScriptedWorker(orchestrator.address);
    workers.push(worker);
    await worker.take('welcome');
    const { sha256 } = await upload(await pack([{ name: 'bot.py' }]));
    const { job } = await createClient(BotService, grpc()).startBot({ botId: 'watched', spec: spec(sha256) });
    const ensure = await worker.take('ensure');
    const progress = (message: string, text: string) =>
      worker.send({
        case: 'progress',
        value: {
          taskId: ensure.taskId,
          state: BotState.BUILDING,
          message,
          output: [{ text, stream: LogStream.BUILD }],
        },
      });
    progress('building', 'Step 1/3');
    const seen: string[] = [];
    for await (const { update } of createClient(JobService, grpc()).watchJob({ jobId: job?.jobId ?? '' })) {
      if (update.case === 'job') seen.push(`${update.value.state}/${JobStatus[update.value.status]}`);
      else if (update.case === 'buildOutput') {
        seen.push(...update.value.entries.map(({ text }) => text));
        if (seen.at(-1) === 'Step 1/3') progress('building', 'Step 2/3');
        if (seen.at(-1) === 'Step 2/3') worker.succeed(ensure);
      }
    }
    expect(seen.filter((entry, index) => entry !== seen[index - 1])).toEqual([
      'start_bot/RUNNING',
      'Step 1/3',
      'Step 2/3',
      'completed/COMPLETED',
    ]);
  });

  it('has one effect however often it is repeated with its Idempotency-Key', async () => {
    const { sha256 } = await upload(await pack([{ name: 'bot.py' }]));
    const client = createClient(BotService, grpc());
    const headers = { 'idempotency-key': 'start-once' };
    const jobs = await Promise.all(
      Array.from({ length: 20 }, () => client.startBot({ botId: 'once', spec: spec(sha256) }, { headers })),
    );
    expect(new Set(jobs.map(({ job }) => job?.jobId)).size).toBe(1);
    const { code } = await refusal(client.startBot({ botId: 'twice', spec: spec(sha256) }, { headers }));
    expect(code).toBe(Code.AlreadyExists);
  });
});

describe('another user’s or no user’s things', () => {
  it('are not found', async () => {
    const client = createClient(JobService, grpc());
    expect((await refusal(client.getJob({ jobId: '01ARZ3NDEKTSV4RRFFQ69G5FAV' }))).detail?.code).toBe('JOB_NOT_FOUND');
    expect((await refusal(createClient(BotService, grpc()).getBot({ botId: 'nobody' }))).detail?.code).toBe(
      'BOT_NOT_FOUND',
    );
  });

  it('need a token', async () => {
    const bare = createClient(BotService, createGrpcTransport({ baseUrl: orchestrator.url }));
    const { code, detail } = await refusal(bare.listBots({}));
    expect([code, detail?.reason]).toEqual([Code.Unauthenticated, ErrorReason.UNAUTHENTICATED]);
  });
});
