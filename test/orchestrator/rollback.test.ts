/** Updates whose new version does not stay up, and what a bot's log says is wrong: seen from both ends. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BotState } from '#gen/botrunner/v1/bot_pb.js';
import { LogStream } from '#gen/botrunner/v1/log_pb.js';
import type { Ensure } from '#gen/botrunner/v1/worker_service_pb.js';
import { eventually } from '../kit/eventually.ts';
import { type JsonBody, startTestOrchestrator, type TestOrchestrator } from '../kit/orchestrator-for-tests.ts';
import { connectScriptedWorker, observed, type ScriptedWorker } from '../kit/scripted-worker.ts';

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

const oldToken = '123456789:AAold-token-old-token-old-token-0001';
const newToken = '123456789:AAnew-token-new-token-new-token-0002';
const deploy = (action: string, extra = {}) => ({
  action,
  bot_id: 'bot',
  deployment_mode: 'simple',
  code: 'print(1)',
  ...extra,
});
const accepted = async (data: unknown): Promise<string> => {
  const { status, body } = await orchestrator.post(data);
  expect({ status, body }).toMatchObject({ status: 202 });
  return body.job_id;
};
const untilFinal = (jobId: string): Promise<JsonBody> =>
  eventually(
    'the job is final',
    async () => (await orchestrator.get(`/jobs/${jobId}`)).body,
    ({ status }) => ['completed', 'failed', 'cancelled'].includes(status),
  );
const bot = async (): Promise<JsonBody> =>
  (await orchestrator.get(`/jobs/${await accepted({ action: 'status', bot_id: 'bot' })}`)).body.data.result;
const running = async (extra = {}): Promise<Ensure> => {
  const jobId = await accepted(deploy('start', extra));
  const ensure = await worker.take('ensure');
  worker.succeed(ensure);
  await untilFinal(jobId);
  return ensure;
};
const crashes = (ensure: Ensure, extra = {}) =>
  worker.send({
    case: 'result',
    value: {
      taskId: ensure.taskId,
      outcome: {
        case: 'succeeded',
        value: {
          replaced: true,
          lastLines: [{ text: 'Traceback', stream: LogStream.STDERR }, { text: 'RuntimeError: no' }],
        },
      },
      observation: observed(ensure, { state: BotState.CRASH_LOOP, exitCode: 1, ...extra }),
    },
  });

describe('an update whose new version ends with an error right after its start', () => {
  it.each(['update', 'start'])('fails (asked for by %s), and the previous version is wanted again', async (action) => {
    await running({ env_vars: { BOT_TOKEN: oldToken }, resource_limits: { memory_mb: 64 } });
    const jobId = await accepted(deploy(action, { env_vars: { BOT_TOKEN: newToken } }));
    const update = await worker.take('ensure');
    crashes(update);
    expect(await untilFinal(jobId)).toMatchObject({
      status: 'failed',
      data: {
        error: {
          code: 'UPDATE_ROLLED_BACK',
          message:
            'The new version ended with exit code 1 right after its start; the previous one was started again. Its last line: RuntimeError: no',
          details: { bot_id: 'bot', exit_code: 1, last_lines: ['Traceback', 'RuntimeError: no'] },
        },
      },
    });
    const back = await worker.take('ensure');
    expect(back).toMatchObject({ taskId: '', generation: 3n, revision: 1n, spec: { env: { BOT_TOKEN: oldToken } } });
    worker.send({ case: 'observations', value: { bots: [observed(back)] } });
    await eventually(
      'the bot runs',
      bot,
      ({ status, container_id }) => status === 'running' && container_id === 'c-bot-1',
    );
    // The new token is free again, the old one is not.
    const other = (token: string) => ({ ...deploy('start', { env_vars: { BOT_TOKEN: token } }), bot_id: 'other' });
    expect((await orchestrator.post(other(oldToken))).body.error.code).toBe('TOKEN_IN_USE');
    await accepted(other(newToken));
  });

  it('reports what the log says is wrong rather than its last line', async () => {
    await running();
    const jobId = await accepted(deploy('update'));
    crashes(await worker.take('ensure'), { diagnosis: 'the module aiogram is missing' });
    expect((await untilFinal(jobId)).data.error.message).toContain(
      'was started again. Diagnosis: the module aiogram is missing',
    );
  });

  it('says that it ran out of memory, with the limit and the cure, and not its exit code', async () => {
    await running();
    const jobId = await accepted(deploy('update'));
    crashes(await worker.take('ensure'), {
      exitCode: 137,
      oomKilled: true,
      reason: 'killed because it exceeded its memory limit of 64 MB; give it more, for example with --memory 128m',
    });
    const { error } = (await untilFinal(jobId)).data;
    expect(error).toMatchObject({
      code: 'UPDATE_ROLLED_BACK',
      message:
        'The new version was killed because it exceeded its memory limit of 64 MB right after its start; the previous one was started again.',
      details: { exit_code: 137, oom_killed: true },
    });
    expect(error.hint).toContain('--memory');
  });

  it.each([
    ['before its worker says anything', undefined],
    ['while it is starting', BotState.STARTING],
  ])('goes back as well when the next update crashes right after the first, %s', async (_when, state) => {
    await running({ env_vars: { BOT_TOKEN: oldToken } });
    for (const generation of [3n, 5n]) {
      const jobId = await accepted(deploy('update', { env_vars: { BOT_TOKEN: newToken } }));
      crashes(await worker.take('ensure'));
      expect((await untilFinal(jobId)).data.error).toMatchObject({ code: 'UPDATE_ROLLED_BACK' });
      const back = await worker.take('ensure');
      expect(back).toMatchObject({ generation, revision: 1n, spec: { env: { BOT_TOKEN: oldToken } } });
      expect(await bot()).toMatchObject({ status: 'starting' });
      if (state === undefined) continue;
      worker.send({ case: 'observations', value: { bots: [observed(back, { state })] } });
      await eventually('it was reported', bot, (now) => now.observed_at !== null && now.exit_code === null);
    }
  });

  it('stays when the previous version did not run either', async () => {
    const first = await accepted(deploy('start'));
    crashes(await worker.take('ensure'));
    await untilFinal(first);
    const jobId = await accepted(deploy('update'));
    crashes(await worker.take('ensure'));
    expect(await untilFinal(jobId)).toMatchObject({ status: 'completed', data: { result: { status: 'crash_loop' } } });
    expect(await bot()).toMatchObject({ status: 'crash_loop', generation: 2 });
  });

  it('stays when it ended with 0, and so does a restart that crashes', async () => {
    await running();
    const exits = await accepted(deploy('update'));
    const update = await worker.take('ensure');
    worker.succeed(update, observed(update, { state: BotState.EXITED, exitCode: 0 }));
    expect(await untilFinal(exits)).toMatchObject({ data: { result: { status: 'exited' } } });
    const restart = await accepted({ action: 'restart', bot_id: 'bot' });
    crashes(await worker.take('ensure'));
    expect(await untilFinal(restart)).toMatchObject({ data: { result: { status: 'crash_loop', exit_code: 1 } } });
  });
});

describe('what the log of a bot says is wrong', () => {
  it('is shown by status and list until the worker says that it is over', async () => {
    const ensure = await running();
    expect(await bot()).toMatchObject({ status: 'running', diagnosis: '' });
    const diagnosis = 'Telegram answers 409 Conflict: another program is polling with the same bot token';
    worker.send({ case: 'observations', value: { bots: [observed(ensure, { diagnosis })] } });
    await eventually('status shows it', bot, (seen) => seen.diagnosis === diagnosis && seen.status === 'running');
    const list = await orchestrator.get(`/jobs/${await accepted({ action: 'list' })}`);
    expect(list.body.data.result.bots).toMatchObject([{ bot_id: 'bot', diagnosis }]);
    worker.send({ case: 'observations', value: { bots: [observed(ensure)] } });
    await eventually('it is over', bot, (seen) => seen.diagnosis === '');
  });
});
