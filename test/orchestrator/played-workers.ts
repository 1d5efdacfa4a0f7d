/** Workers that are played, several at one orchestrator, and what their tests ask of both. */
import { Code, ConnectError, createClient, type Transport } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { afterEach, beforeEach, expect } from 'vitest';
import { AdminService } from '#gen/botrunner/v1/admin_service_pb.js';
import { BotState } from '#gen/botrunner/v1/bot_pb.js';
import { ErrorDetailSchema } from '#gen/botrunner/v1/error_pb.js';
import { type Ensure, WorkerService } from '#gen/botrunner/v1/worker_service_pb.js';
import { eventually } from '../kit/eventually.ts';
import { type JsonBody, startTestOrchestrator, type TestOrchestrator } from '../kit/orchestrator-for-tests.ts';
import { connectScriptedWorker, credentialOf, observed, type ScriptedWorker } from '../kit/scripted-worker.ts';
import { bearer } from '../kit/typed-calls.ts';

export let orchestrator: TestOrchestrator;
export const workers: ScriptedWorker[] = [];
export const begin = async (options: Parameters<typeof startTestOrchestrator>[0] = {}) => {
  orchestrator = await startTestOrchestrator(options);
};
/** Gives each test of the file an orchestrator of its own. */
export function eachWithOrchestrator(): void {
  beforeEach(() => begin({ env: { MAX_BOTS_PER_USER: '10' } }));
  afterEach(async () => {
    for (const worker of workers.splice(0)) worker.close();
    await orchestrator[Symbol.asyncDispose]();
  });
}

export const mib = 1024n * 1024n;
export type HelloInit = NonNullable<Parameters<typeof connectScriptedWorker>[1]>;
export const plain = { runtime: 'process', capabilities: ['mode.simple', 'language.python', 'language.node'] };

export async function connect(workerId: string, hello: HelloInit = {}): Promise<ScriptedWorker> {
  const worker = await connectScriptedWorker(orchestrator.address, { workerId, bootId: `boot-${workerId}`, ...hello });
  workers.push(worker);
  await worker.take('welcome');
  return worker;
}
export const transport = (token: string): Transport =>
  createGrpcTransport({
    baseUrl: orchestrator.url,
    interceptors: [bearer(token)],
  });
export const admin = () => createClient(AdminService, transport('test-admin-token'));
export const as = (workerId: string) => createClient(WorkerService, transport(credentialOf(workerId)));
export const detailOf = async (call: Promise<unknown>) => {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof ConnectError)) throw new Error(`it was not refused: ${String(error)}`);
  return { code: Code[error.code], message: error.rawMessage, hint: error.findDetails(ErrorDetailSchema)[0]?.hint };
};
export const simple = (botId: string, extra = {}) => ({
  action: 'start',
  bot_id: botId,
  deployment_mode: 'simple',
  code: 'print(1)',
  ...extra,
});
export const image = (botId: string) => ({
  action: 'start',
  bot_id: botId,
  deployment_mode: 'image',
  docker_image: 'ghcr.io/me/bot:1',
});
export const accepted = async (data: unknown): Promise<string> => {
  const { status, body } = await orchestrator.post(data);
  expect({ status, body }).toMatchObject({ status: 202 });
  return body.job_id;
};
export const job = async (jobId: string): Promise<JsonBody> => (await orchestrator.get(`/jobs/${jobId}`)).body;
export const untilFinal = (jobId: string): Promise<JsonBody> =>
  eventually(
    'the job is final',
    () => job(jobId),
    ({ status }) => ['completed', 'failed', 'cancelled'].includes(status),
  );
export const bot = async (botId: string): Promise<JsonBody> =>
  (await job(await accepted({ action: 'status', bot_id: botId }))).data.result;
/** Starts a bot that the given worker gets and runs. */
export async function run(worker: ScriptedWorker, botId: string, extra = {}): Promise<Ensure> {
  const id = await accepted(simple(botId, extra));
  const ensure = await worker.take('ensure');
  worker.succeed(ensure);
  expect(await untilFinal(id)).toMatchObject({ status: 'completed' });
  return ensure;
}
export const stopped = (ensure: Ensure) =>
  observed(ensure, { state: BotState.STOPPED, containerId: '', containerName: '' });
export const stop = async (worker: ScriptedWorker, botId: string): Promise<void> => {
  const id = await accepted({ action: 'stop', bot_id: botId });
  const ensure = await worker.take('ensure');
  worker.succeed(ensure, stopped(ensure));
  await untilFinal(id);
};
export const listed = async (workerId: string) =>
  (await admin().listWorkers({})).workers.find((worker) => worker.workerId === workerId);
