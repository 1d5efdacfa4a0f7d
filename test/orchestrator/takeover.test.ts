/** A start that takes a Telegram token over: built first, and nothing stops before the new bot could run. Workers are played. */
import { describe, expect, it } from 'vitest';
import { BotState, DesiredState } from '#gen/botrunner/v1/bot_pb.js';
import type { Ensure } from '#gen/botrunner/v1/worker_service_pb.js';
import { eventually } from '../kit/eventually.ts';
import { observed, type ScriptedWorker } from '../kit/scripted-worker.ts';
import { alive as connectAlive, eachWithSoonSilentWorkers, token } from './living-workers.ts';
import { accepted, bot, job, orchestrator, run, simple, stopped, untilFinal } from './played-workers.ts';

const env_vars = { BOT_TOKEN: token };
const capabilities = ['mode.simple', 'language.python', 'restart.in_place'];

eachWithSoonSilentWorkers(10, { heartbeatMs: 100, suspectAfterMs: 1_200, unknownAfterMs: 2_000 });

/** `waits`: it can wait between building and starting. */
const alive = (workerId: string, waits = true) =>
  connectAlive(workerId, { capabilities: waits ? [...capabilities, 'takeover.claim'] : capabilities });
const claim = (worker: ScriptedWorker, { userId, botId, epoch, revision }: Ensure) =>
  worker.claimTokens({ userId, botId, epoch, revision, built: true }).then(
    ({ pending }) => (pending ? 'pending' : 'granted'),
    ({ details }: { details: string }) => details,
  );
const granted = (worker: ScriptedWorker, ensure: Ensure) =>
  eventually(
    "the tokens are the new bot's",
    () => claim(worker, ensure),
    (answer) => answer === 'granted',
  );
const fails = (worker: ScriptedWorker, ensure: Ensure, code = 'BUILD_FAILED') =>
  worker.send({
    case: 'result',
    value: {
      taskId: ensure.taskId,
      outcome: { case: 'failed', value: { code, message: 'no' } },
      observation: observed(ensure, { state: BotState.FAILED, containerId: '', containerName: '', revision: 0n }),
    },
  });
const takeover = (botId: string, more = {}) => accepted(simple(botId, { env_vars, takeover: true, ...more }));
/** Every command the worker got for a bot, by its desired state. */
const told = (worker: ScriptedWorker, botId: string): DesiredState[] =>
  worker.heard.flatMap(({ body }) =>
    body.case === 'ensure' && body.value.botId === botId ? [body.value.desired] : [],
  );
const startElsewhere = async (botId: string) => (await orchestrator.post(simple(botId, { env_vars }))).body.error?.code;

describe('a takeover', () => {
  it('builds first: the other bot runs until the new one could, and is gone before it starts', async () => {
    const worker = await alive('w');
    await run(worker, 'old', { env_vars });
    const id = await takeover('new');
    const ensure = await worker.take('ensure');
    expect(ensure).toMatchObject({ botId: 'new', claimTokens: true });
    expect(told(worker, 'old')).toEqual([DesiredState.RUNNING]);
    expect(await bot('old')).toMatchObject({ status: 'running', desired: 'running' });
    expect(await claim(worker, ensure)).toBe('pending');
    const stop = await worker.take('ensure');
    expect(stop).toMatchObject({ botId: 'old', desired: DesiredState.STOPPED });
    expect(await job(id)).toMatchObject({
      status: 'running',
      reason: 'waiting for the other bot to release the Telegram token',
    });
    expect(await claim(worker, ensure)).toBe('pending');
    // Nobody gets it in between.
    expect(await startElsewhere('third')).toBe('TOKEN_IN_USE');
    worker.succeed(stop, stopped(stop));
    await granted(worker, ensure);
    expect(await startElsewhere('third')).toBe('TOKEN_IN_USE');
    worker.succeed(ensure);
    expect((await untilFinal(id)).data.result.status).toBe('started');
    const notice = 'it was stopped because your bot new took its Telegram token over';
    expect(await bot('old')).toMatchObject({ status: 'stopped', notice });
  });

  it.each([
    ['its build fails', async (worker: ScriptedWorker, ensure: Ensure) => fails(worker, ensure)],
    [
      'it is cancelled',
      async (_: ScriptedWorker, __: Ensure, id: string) => {
        await fetch(`${orchestrator.url}/botrunner.v1.JobService/CancelJob`, {
          method: 'POST',
          headers: { authorization: 'Bearer test-client-token', 'content-type': 'application/json' },
          body: JSON.stringify({ jobId: id }),
        });
      },
    ],
    [
      'it is stopped',
      async () => {
        await accepted({ action: 'stop', bot_id: 'new' });
      },
    ],
  ])('leaves the other bot alone when %s', async (_, how) => {
    const worker = await alive('w');
    await run(worker, 'old', { env_vars });
    const id = await takeover('new');
    const ensure = await worker.take('ensure');
    await how(worker, ensure, id);
    expect((await untilFinal(id)).status).toMatch(/failed|cancelled/);
    expect(told(worker, 'old')).toEqual([DesiredState.RUNNING]);
    expect(await bot('old')).toMatchObject({ status: 'running', desired: 'running' });
    expect(await startElsewhere('third')).toBe('TOKEN_IN_USE');
  });

  it('continues after kill -9 of the orchestrator and a new session of the worker', async () => {
    const worker = await alive('w');
    await run(worker, 'old', { env_vars });
    const id = await takeover('new');
    const ensure = await worker.take('ensure');
    expect(await claim(worker, ensure)).toBe('pending');
    await worker.take('ensure');
    worker.close();
    await orchestrator.restart();
    const back = await alive('w');
    const welcome = back.heard.find(({ body }) => body.case === 'welcome')?.body;
    const bots = welcome?.case === 'welcome' ? (welcome.value.desiredSet?.bots ?? []) : [];
    expect(bots).toMatchObject([
      { botId: 'new', desired: DesiredState.RUNNING, claimTokens: true, taskId: ensure.taskId },
      { botId: 'old', desired: DesiredState.STOPPED },
    ]);
    expect(await claim(back, ensure)).toBe('pending');
    for (const stop of bots.filter(({ botId }) => botId === 'old')) back.succeed(stop, stopped(stop));
    await granted(back, ensure);
    back.succeed(ensure);
    expect((await untilFinal(id)).status).toBe('completed');
  });

  it('starts the other bot again when the new one could not be started after all, and is gone', async () => {
    const worker = await alive('w');
    const old = await run(worker, 'old', { env_vars });
    const id = await takeover('new');
    const ensure = await worker.take('ensure');
    await claim(worker, ensure);
    const stop = await worker.take('ensure');
    worker.succeed(stop, stopped(stop));
    await granted(worker, ensure);
    fails(worker, ensure, 'CONTAINER_ERROR');
    expect((await untilFinal(id)).data.error.code).toBe('CONTAINER_ERROR');
    // Not before its worker says that the new one does not run.
    const last = await worker.take('ensure');
    expect(last).toMatchObject({ botId: 'new', desired: DesiredState.STOPPED, taskId: id });
    expect(await bot('old')).toMatchObject({ desired: 'stopped' });
    worker.succeed(last, stopped(last));
    const resumed = await eventually(
      'the other bot is to run again',
      () =>
        worker.heard.flatMap(({ body }) => (body.case === 'ensure' && body.value.botId === 'old' ? [body.value] : [])),
      (all) => all.length === 3,
    );
    expect(resumed.at(-1)).toMatchObject({ desired: DesiredState.RUNNING, revision: old.revision });
    expect(await bot('old')).toMatchObject({
      desired: 'running',
      notice: 'it was stopped for a takeover that did not succeed, and was started again',
    });
    expect((await bot('new')).status).toBe('failed');
    expect(await startElsewhere('third')).toBe('TOKEN_IN_USE');
  });

  it('ends, and leaves the other bot, when that is on a worker that is silent', async () => {
    const far = await alive('far');
    await run(far, 'old', { env_vars, on: { n: 'far' } });
    const near = await alive('near');
    const id = await takeover('new', { on: { n: 'near' } });
    const ensure = await near.take('ensure');
    far.close();
    const answer = await eventually(
      'it is refused',
      async () => {
        const { status } = await bot('old');
        return status === 'unknown' ? claim(near, ensure) : 'not yet';
      },
      (text) => text.startsWith('Your bot old may still be running'),
      { timeoutMs: 10_000 },
    );
    expect(answer).toContain('its worker far is silent');
    fails(near, ensure, 'TOKEN_IN_USE');
    await untilFinal(id);
    expect(await bot('old')).toMatchObject({ desired: 'running' });
  });

  it('lets the other bot run on when its worker falls silent while it is stopped', async () => {
    const far = await alive('far');
    const old = await run(far, 'old', { env_vars, on: { n: 'far' } });
    const near = await alive('near');
    const id = await takeover('new', { on: { n: 'near' } });
    const ensure = await near.take('ensure');
    expect(await claim(near, ensure)).toBe('pending');
    await far.take('ensure');
    far.close();
    await eventually(
      'the takeover is refused',
      () => claim(near, ensure),
      (text) => text.startsWith('Your bot old may still be running'),
      { timeoutMs: 10_000 },
    );
    fails(near, ensure, 'TOKEN_IN_USE');
    await untilFinal(id);
    expect(await bot('old')).toMatchObject({ desired: 'running' });
    const back = await alive('far');
    const welcome = back.heard.find(({ body }) => body.case === 'welcome')?.body;
    const bots = welcome?.case === 'welcome' ? (welcome.value.desiredSet?.bots ?? []) : [];
    expect(bots).toMatchObject([{ botId: 'old', desired: DesiredState.RUNNING, revision: old.revision, taskId: '' }]);
  });

  it('with a worker that cannot wait starts the other bot again when the build fails', async () => {
    const worker = await alive('w', false);
    await run(worker, 'old', { env_vars });
    const id = await takeover('new');
    const stop = await worker.take('ensure');
    expect(stop).toMatchObject({ botId: 'old', desired: DesiredState.STOPPED });
    worker.succeed(stop, stopped(stop));
    const ensure = await worker.take('ensure');
    expect(ensure).toMatchObject({ botId: 'new', desired: DesiredState.RUNNING });
    fails(worker, ensure);
    await untilFinal(id);
    const confirm = await worker.take('ensure');
    expect(confirm).toMatchObject({ botId: 'new', desired: DesiredState.STOPPED, taskId: id });
    worker.succeed(confirm, stopped(confirm));
    await eventually(
      'the other bot is to run again',
      () => bot('old'),
      ({ desired }) => desired === 'running',
    );
  });
});

describe('a bot that has ended', () => {
  it('leaves its token to the next one, and needs it again to be restarted', async () => {
    const worker = await alive('w');
    const first = await accepted(simple('done', { env_vars }));
    const ended = await worker.take('ensure');
    worker.succeed(ended, observed(ended, { state: BotState.EXITED, exitCode: 0 }));
    expect((await untilFinal(first)).data.result.status).toBe('exited');
    expect((await bot('done')).status).toBe('exited');
    const next = await accepted(simple('next', { env_vars }));
    worker.succeed(await worker.take('ensure'));
    expect((await untilFinal(next)).data.result.status).toBe('started');
    expect(await startElsewhere('third')).toBe('TOKEN_IN_USE');
    const restart = await orchestrator.post({ action: 'restart', bot_id: 'done' });
    const refused = restart.status === 202 ? (await untilFinal(restart.body.job_id)).data.error : restart.body.error;
    expect(refused).toMatchObject({ code: 'TOKEN_IN_USE', details: { bot_id: 'next' } });
    const stopping = await accepted({ action: 'stop', bot_id: 'next' });
    const stop = await worker.take('ensure');
    worker.succeed(stop, stopped(stop));
    await untilFinal(stopping);
    const again = await accepted({ action: 'restart', bot_id: 'done' });
    // While it is restarted it has the token already.
    const ensure = await worker.take('ensure');
    expect(await startElsewhere('third')).toBe('TOKEN_IN_USE');
    worker.succeed(ensure);
    expect((await untilFinal(again)).data.result.status).toBe('restarted');
    expect(await startElsewhere('third')).toBe('TOKEN_IN_USE');
  });
});
