/** What a connected worker is sent of its bots while the orchestrator runs: changes if it knows them, else everything each time. */
import { expect, it } from 'vitest';
import { BotState, DesiredState } from '#gen/botrunner/v1/bot_pb.js';
import { eventually } from '../kit/eventually.ts';
import { createManualClock } from '../kit/manual-clock.ts';
import { startTestOrchestrator } from '../kit/orchestrator-for-tests.ts';
import { connectScriptedWorker, observed, type ScriptedWorker } from '../kit/scripted-worker.ts';
import { start } from './job-bench.ts';

const old = ['mode.simple', 'language.python', 'restart.in_place'];

async function open(capabilities: readonly string[]) {
  const clock = createManualClock();
  const orchestrator = await startTestOrchestrator({ clock });
  const worker = await connectScriptedWorker(orchestrator.address, { capabilities: [...capabilities] });
  await worker.take('welcome');
  return {
    orchestrator,
    worker,
    /** Lets the workers be told once more. */
    async round() {
      const before = worker.heard.length;
      await eventually(
        'a round of telling',
        () => {
          if (worker.heard.length === before) clock.advance(1_000);
          return worker.heard.slice(before).filter(({ body }) => /^desired/.test(body.case ?? ''));
        },
        (told) => told.length > 0,
      );
      worker.send({ case: 'heartbeat', value: { ready: true } });
    },
    async [Symbol.asyncDispose]() {
      worker.close();
      await orchestrator[Symbol.asyncDispose]();
    },
  };
}

const runs = async (worker: ScriptedWorker) => {
  const ensure = await worker.take('ensure');
  worker.succeed(ensure);
  await worker.take('resultAck');
  return ensure;
};

it('a worker that knows changes hears of what has changed and of nothing else, and gets everything when it asks', async () => {
  await using world = await open([...old, 'desired.changes']);
  const { worker, orchestrator, round } = world;
  await orchestrator.post(start('a'));
  const ensure = await runs(worker);
  expect(ensure.desiredVersion).toBeGreaterThan(0n);
  await round();
  const first = await worker.take('desiredChanges');
  expect(first.bots).toMatchObject([{ botId: 'a', taskId: '', desired: DesiredState.RUNNING }]);
  expect(first.version).toBeGreaterThanOrEqual(ensure.desiredVersion);
  // What it reports changes nothing of what it should do.
  worker.send({
    case: 'observations',
    value: { bots: [observed(ensure, { state: BotState.CRASH_LOOP, restarts: 3 })] },
  });
  await round();
  const second = await worker.take('desiredChanges');
  expect(second).toMatchObject({ baseVersion: first.version, version: first.version, bots: [], gone: [] });
  expect(second.now?.seq).toBeGreaterThan(0n);
  worker.send({ case: 'desiredSetWanted', value: { version: 0n } });
  await eventually(
    'it is told everything',
    async () => {
      await round();
      return worker.heard.some(({ body }) => body.case === 'desiredSet');
    },
    Boolean,
  );
  const set = await worker.take('desiredSet');
  expect(set).toMatchObject({ version: first.version, bots: [{ botId: 'a' }] });
  expect(set.now?.seq).toBeGreaterThan(0n);
});

it('a bot that is deleted is reported as gone', async () => {
  await using world = await open([...old, 'desired.changes']);
  const { worker, orchestrator, round } = world;
  await orchestrator.post(start('a'));
  await runs(worker);
  await round();
  await worker.take('desiredChanges');
  await orchestrator.post({ action: 'delete', bot_id: 'a' });
  const removal = await worker.take('ensure');
  worker.succeed(removal, observed(removal, { state: BotState.STOPPED, containerId: '', containerName: '' }));
  await worker.take('resultAck');
  await round();
  expect(await worker.take('desiredChanges')).toMatchObject({ bots: [], gone: [{ userId: 'dev', botId: 'a' }] });
});

it('a worker of 0.1.0 is sent everything each time', async () => {
  await using world = await open(old);
  const { worker, orchestrator, round } = world;
  await orchestrator.post(start('a'));
  await runs(worker);
  for (let n = 0; n < 2; n++) {
    await round();
    expect((await worker.take('desiredSet')).bots).toMatchObject([{ botId: 'a', taskId: '' }]);
  }
  expect(worker.heard.map(({ body }) => body.case)).not.toContain('desiredChanges');
});
