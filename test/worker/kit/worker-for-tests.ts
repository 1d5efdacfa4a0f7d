/** The whole worker but its engine, with an orchestrator that the test plays over real gRPC. Time is real. */
import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { type Clock, systemClock } from '#common/clock.ts';
import { type Logger, silentLogger } from '#common/log.ts';
import { BotSpecSchema, DesiredState } from '#gen/botrunner/v1/bot_pb.js';
import { type Ensure, EnsureSchema } from '#gen/botrunner/v1/worker_service_pb.js';
import { readWorkerConfig } from '../../../worker/config.ts';
import { type RunningWorker, startWorker } from '../../../worker/program.ts';
import { echo, makeBotTar } from './registry-for-tests.ts';
import { type ScriptedOrchestrator, startScriptedOrchestrator } from './scripted-orchestrator.ts';
import { createScriptedRuntime, type ScriptedRuntime } from './scripted-runtime.ts';

/** A secret in the environment of every bot that `ensure` names. */
export const canary = 'canary-secret-value';

export interface WorkerForTests {
  readonly dir: string;
  /** A test may put another one in its place. */
  orchestrator: ScriptedOrchestrator;
  readonly runtime: ScriptedRuntime;
  /** Hash of the artifact that the bot is made from. */
  readonly sha256: string;
  /** Starts a worker on the folder; `url` instead of the orchestrator's. */
  start(url?: string, logger?: Logger): Promise<RunningWorker>;
  /** The one started last. */
  worker(): RunningWorker | undefined;
  /** A command to run the bot at revision 1, for task t1, unless given otherwise. */
  ensure(extra?: MessageInitShape<typeof EnsureSchema>): Ensure;
  close(): Promise<void>;
}

/** `within`: where the worker's folder is made. */
export async function createWorkerForTests(clock: Clock = systemClock, within = tmpdir()): Promise<WorkerForTests> {
  const dir = await mkdtemp(join(within, 'worker-'));
  const runtime = createScriptedRuntime(clock, 'docker');
  const tar = await makeBotTar();
  const sha256 = createHash('sha256').update(tar).digest('hex');
  const orchestrator = await startScriptedOrchestrator();
  orchestrator.artifacts.set(sha256, tar);
  let worker: RunningWorker | undefined;
  const self: WorkerForTests = {
    dir,
    orchestrator,
    runtime,
    sha256,
    async start(url = self.orchestrator.url, logger = silentLogger) {
      worker = await startWorker({
        config: readWorkerConfig({ ORCHESTRATOR_URL: url, DATA_DIR: dir, WORKER_ID: 'w1' }),
        clock,
        logger,
        runtime: () => runtime,
        random: () => 0.5,
      });
      return worker;
    },
    worker: () => worker,
    ensure: (extra = {}) =>
      create(EnsureSchema, {
        ...echo,
        taskId: 't1',
        generation: 1n,
        epoch: 1n,
        revision: 1n,
        desired: DesiredState.RUNNING,
        spec: create(BotSpecSchema, {
          source: { case: 'simple', value: { artifactSha256: sha256, entrypoint: 'bot.py' } },
          env: { API_KEY: canary },
        }),
        ...extra,
      }),
    async close() {
      await worker?.stop();
      self.orchestrator.kill();
      await rm(dir, { recursive: true, force: true });
    },
  };
  return self;
}
