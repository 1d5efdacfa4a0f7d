/** What tests of jobs share: an orchestrator for each test, workers played over grpc-js, and short ways to ask and look. */
import { afterEach, beforeEach, expect } from 'vitest';
import { eventually } from '../kit/eventually.ts';
import { type JsonBody, startTestOrchestrator, type TestOrchestrator } from '../kit/orchestrator-for-tests.ts';
import { connectScriptedWorker, type ScriptedWorker } from '../kit/scripted-worker.ts';

export interface JobBench {
  readonly orchestrator: TestOrchestrator;
  connect(hello?: object): Promise<ScriptedWorker>;
  /** Closes a worker at the end of the test that was connected in another way. */
  keep(worker: ScriptedWorker): void;
  /** Sends a request that must be accepted; the job's id. */
  accepted(data: unknown): Promise<string>;
  job(jobId: string): Promise<JsonBody>;
  untilFinal(jobId: string): Promise<JsonBody>;
  /** The result of the action status. */
  bot(botId: string): Promise<JsonBody>;
}

/** A bench for all tests of the file that calls this; each gets an orchestrator of its own. */
export function openJobBench(): JobBench {
  let running: TestOrchestrator | undefined;
  const workers: ScriptedWorker[] = [];
  beforeEach(async () => {
    running = await startTestOrchestrator();
  });
  afterEach(async () => {
    for (const worker of workers.splice(0)) worker.close();
    await running?.[Symbol.asyncDispose]();
    running = undefined;
  });
  const bench: JobBench = {
    get orchestrator() {
      if (running === undefined) throw new Error('the orchestrator is there only while a test runs');
      return running;
    },
    async connect(hello = {}) {
      const worker = await connectScriptedWorker(bench.orchestrator.address, hello);
      workers.push(worker);
      return worker;
    },
    keep: (worker) => {
      workers.push(worker);
    },
    async accepted(data) {
      const { status, body } = await bench.orchestrator.post(data);
      expect({ status, body }).toMatchObject({ status: 202 });
      return body.job_id;
    },
    job: async (jobId) => (await bench.orchestrator.get(`/jobs/${jobId}`)).body,
    untilFinal: (jobId) =>
      eventually(
        'the job is final',
        () => bench.job(jobId),
        ({ status }) => ['completed', 'failed', 'cancelled'].includes(status),
      ),
    bot: async (botId) => (await bench.job(await bench.accepted({ action: 'status', bot_id: botId }))).data.result,
  };
  return bench;
}

/** A start in simple mode. */
export const start = (botId: string, extra = {}) => ({
  action: 'start',
  bot_id: botId,
  deployment_mode: 'simple',
  code: 'print(1)',
  ...extra,
});

/** A worker's word that a task failed. */
export const failed = (taskId: string, code: string, extra = {}) => ({
  case: 'result' as const,
  value: {
    taskId,
    outcome: { case: 'failed' as const, value: { code, message: 'it broke', hint: 'fix it' } },
    ...extra,
  },
});
