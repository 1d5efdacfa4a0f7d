/** `avtomatika-bot worker`, against a real orchestrator over its real port, with workers that the test plays. */
import { create } from '@bufbuild/protobuf';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '#common/clock.ts';
import { problem } from '#common/problem.ts';
import { problemToProto } from '#common/problem-proto.ts';
import { DesiredState } from '#gen/botrunner/v1/bot_pb.js';
import { type StrayContainer, StrayContainerSchema } from '#gen/botrunner/v1/worker_service_pb.js';
import { openClient } from '../../cli/calls/client.ts';
import { runCli } from '../../cli/testing/run-cli.ts';
import { eventually } from '../kit/eventually.ts';
import { startTestOrchestrator, type TestOrchestrator } from '../kit/orchestrator-for-tests.ts';
import { connectScriptedWorker, type ScriptedWorker } from '../kit/scripted-worker.ts';

let orchestrator: TestOrchestrator;
let worker: ScriptedWorker;
beforeAll(async () => {
  orchestrator = await startTestOrchestrator();
  worker = await connectScriptedWorker(orchestrator.address, {
    workerId: 'docker-1',
    version: '0.1.0',
    engineVersion: 'podman 5.4.2',
    labels: { zone: 'eu', gpu: 'yes' },
  });
  await worker.take('welcome');
});
afterAll(async () => {
  worker.close();
  await orchestrator[Symbol.asyncDispose]();
});

const stray = (fields: Omit<StrayContainer, '$typeName'>): StrayContainer => create(StrayContainerSchema, fields);

const run = (words: readonly string[], token = 'test-admin-token') => {
  const env = { AVTOMATIKA_URL: orchestrator.url, AVTOMATIKA_TOKEN: token };
  return runCli(words, { openClient, clock: systemClock, env });
};

describe('worker', () => {
  it('list shows what each worker has and how it is, as a table and as JSON', async () => {
    const table = await run(['worker', 'list']);
    expect(table).toMatchObject({ exitCode: 0, stderr: '' });
    expect(table.stdout.split('\n')[0]).toMatch(
      /^WORKER +STATE +RUNNING\/BOTS +RESERVED +RUNTIME +VERSION +LAST SEEN +LABELS$/,
    );
    expect(table.stdout.split('\n')[1]).toMatch(
      /^docker-1 +ready +0\/0 +0 of 8192 MiB +podman 5\.4\.2 +0\.1\.0 +\d{4}-\S+Z +gpu=yes, zone=eu$/,
    );
    const { stdout } = await run(['worker', 'list', '--json']);
    expect(JSON.parse(stdout).workers).toEqual([
      {
        worker_id: 'docker-1',
        state: 'ready',
        reason: null,
        cordoned: false,
        revoked: false,
        runtime: 'docker',
        engine_version: 'podman 5.4.2',
        version: '0.1.0',
        capacity: { memory_bytes: 8 * 1024 ** 3, cpu_millis: 4000 },
        reserved: { memory_bytes: 0, cpu_millis: 0 },
        labels: { zone: 'eu', gpu: 'yes' },
        capabilities: [
          'mode.simple',
          'mode.custom',
          'mode.image',
          'language.python',
          'language.node',
          'restart.in_place',
          'adopt',
        ],
        strays: 0,
        bots: 0,
        running_bots: 0,
        pending: 0,
        first_seen_at: expect.stringMatching(/Z$/),
        last_seen_at: expect.stringMatching(/Z$/),
        starts_refused: false,
        safety: null,
      },
    ]);
  });

  it('cordon and uncordon say what holds from now on', async () => {
    expect(await run(['worker', 'cordon', 'docker-1'])).toMatchObject({
      exitCode: 0,
      stdout: 'docker-1 is cordoned: it gets no more bots.\n',
    });
    expect((await run(['worker', 'list'])).stdout).toMatch(/docker-1 +ready, cordoned/);
    const json = await run(['worker', 'uncordon', 'docker-1', '--json']);
    expect(JSON.parse(json.stdout)).toMatchObject({ worker_id: 'docker-1', cordoned: false });
  });

  it('drain reports what stays and why, one line or object each, and ends with 3', async () => {
    await orchestrator.post({ action: 'start', bot_id: 'echo', deployment_mode: 'simple', code: 'print(1)' });
    const ensure = await worker.take('ensure');
    expect(ensure.desired).toBe(DesiredState.RUNNING);
    worker.succeed(ensure);
    await worker.take('resultAck');
    expect(await run(['worker', 'drain', 'docker-1'])).toEqual({
      exitCode: 1,
      stdout: '',
      stderr: [
        'Error DATA_LEFT_BEHIND: What these bots keep would stay on docker-1: echo of dev.',
        '  Hint: Save what you need first, then drain with --leave-data.',
        '  Example: avtomatika-bot worker drain docker-1 --leave-data',
        '',
      ].join('\n'),
    });
    expect((await run(['worker', 'list'])).stdout).not.toContain('cordoned');
    expect(await run(['worker', 'drain', 'docker-1', '--leave-data'])).toEqual({
      exitCode: 3,
      stdout: 'echo of dev stays: no other worker is connected\ndocker-1 still has 1 running bot.\n',
      stderr: '',
    });
    const lines = (await run(['worker', 'drain', 'docker-1', '--json', '--leave-data'])).stdout.trim().split('\n');
    expect(lines.map((line) => JSON.parse(line))).toEqual([
      {
        user_id: 'dev',
        bot_id: 'echo',
        outcome: 'stays',
        worker_id: 'docker-1',
        reason: 'no other worker is connected',
      },
      { worker_id: 'docker-1', running_bots: 1 },
    ]);
  });

  it('adopt shows containers that the worker does not own, and has it do what the operator decides', async () => {
    const of = (id: string, workerId: string, botId: string) => ({
      id: id.repeat(64),
      name: `bot_dev_${botId}_x`,
      userId: 'dev',
      botId,
      workerId,
      running: true,
    });
    const other = await connectScriptedWorker(orchestrator.address, { workerId: 'other', bootId: 'other' });
    await eventually(
      'the other one is known',
      () => run(['worker', 'list']),
      ({ stdout }) => /^other /m.test(stdout),
    );
    const found = [of('a', 'docker-1', 'echo'), of('b', 'long-gone', 'stale'), of('c', 'other', 'live')];
    worker.send({ case: 'strays', value: { $typeName: 'botrunner.v1.Strays', containers: found.map(stray) } });
    const list = await eventually(
      'the orchestrator knows of them',
      () => run(['worker', 'adopt', 'docker-1']),
      ({ stdout }) => stdout.includes('echo'),
    );
    expect(list.stdout.split('\n')).toEqual([
      expect.stringMatching(/^ID +STATE +BOT +USER +MADE BY +NAME$/),
      expect.stringMatching(/^aaaaaaaaaaaa +running +echo +dev +docker-1 +bot_dev_echo_x$/),
      expect.stringMatching(/^bbbbbbbbbbbb +running +stale +dev +long-gone +bot_dev_stale_x$/),
      '',
    ]);
    expect((await run(['worker', 'list'])).stdout).toContain(
      'docker-1: 2 bot containers are there that it does not recognise: avtomatika-bot worker adopt docker-1 --list',
    );
    const answer = async (failing?: string) => {
      const { requestId, take, remove } = await worker.take('adopt');
      const outcomes = [...take, ...remove].map((id) => ({
        $typeName: 'botrunner.v1.StrayOutcome' as const,
        id,
        ...(id === failing ? { error: problemToProto(problem('CONTAINER_NOT_FOUND', 'It is gone.')) } : {}),
      }));
      worker.send({ case: 'adopted', value: { $typeName: 'botrunner.v1.StraysAdopted', requestId, outcomes } });
    };
    const taken = run(['worker', 'adopt', 'docker-1', '--take', 'aaaa']);
    await answer();
    expect(await taken).toEqual({ exitCode: 0, stdout: 'aaaaaaaaaaaa bot_dev_echo_x: taken\n', stderr: '' });
    const removed = run(['worker', 'adopt', 'docker-1', '--remove', 'b', '--json']);
    await answer('b'.repeat(64));
    expect((await removed).exitCode).toBe(1);
    expect(JSON.parse((await removed).stdout).containers).toMatchObject([{ status: 'failed' }]);
    const refused = async (...words: string[]) => (await run(['worker', 'adopt', ...words])).stderr.split('\n')[0];
    expect(await refused('docker-1', '--take', 'bbbb')).toMatch(
      /CONTAINER_NOT_OWNED: The bot .* is not placed on docker-1/,
    );
    expect(await refused('docker-1', '--remove', 'cccc')).toMatch(/CONTAINER_NOT_FOUND/);
    expect(await refused('docker-1', '--take')).toMatch(/No container is named/);
    expect(await refused('docker-1', 'bbbb')).toMatch(/Say what to do with it: give --take or --remove/);
    expect(await refused('docker-1', '--list', 'bbbb')).toMatch(/--list takes no container/);
    expect(await refused('docker-1', '--list', '--remove', 'bbbb')).toMatch(/Give one of --list, --take and --remove/);
    expect(await refused('nobody', '--list')).toMatch(/WORKER_NOT_FOUND/);
    other.close();
    await eventually(
      'a worker that is away says where its containers are',
      async () => (await run(['worker', 'list'])).stdout,
      (shown) => /other: .*its containers are on the engine of docker-1: .* worker adopt docker-1 --list/.test(shown),
    );
    worker.send({ case: 'strays', value: { $typeName: 'botrunner.v1.Strays', containers: [] } });
  });

  it.each(['cordon', 'uncordon', 'drain', 'revoke', 'readmit', 'forget --yes'])(
    '%s of a worker that is not there is refused',
    async (word) => {
      expect(await run(['worker', ...word.split(' '), 'nobody'])).toMatchObject({
        exitCode: 1,
        stdout: '',
        stderr: expect.stringMatching(/^Error WORKER_NOT_FOUND: There is no worker of that id\./),
      });
    },
  );

  it('forget asks first, and is refused while the worker is there', async () => {
    expect(await run(['worker', 'forget', 'docker-1'])).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining('Add --yes once its host is off.'),
    });
    expect(await run(['worker', 'forget', 'docker-1', '--yes'])).toMatchObject({
      exitCode: 1,
      stderr: expect.stringMatching(/^Error WORKER_CONNECTED: The worker docker-1 was heard from \d+ s ago\./),
    });
  });

  it('needs an admin token', async () => {
    expect(await run(['worker', 'list'], 'test-client-token')).toMatchObject({ exitCode: 5, stdout: '' });
  });

  it('revoke and readmit say what holds from now on', async () => {
    expect((await run(['worker', 'revoke', 'docker-1'])).stdout).toBe(
      'docker-1 is revoked: it cannot join until it is readmitted.\n',
    );
    expect((await run(['worker', 'list'])).stdout).toMatch(
      /docker-1 +away, cordoned, revoked[\s\S]*docker-1: not connected/,
    );
    expect(JSON.parse((await run(['worker', 'readmit', 'docker-1', '--json'])).stdout)).toEqual({
      worker_id: 'docker-1',
      status: 'readmitted',
    });
  });
});
