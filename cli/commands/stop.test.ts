import { describe, expect, it } from 'vitest';
import { problem } from '#common/problem.ts';
import { problemToProto } from '#common/problem-proto.ts';
import { JobStatus } from '#gen/botrunner/v1/job_pb.js';
import { FakeOrchestrator } from '../testing/fake-orchestrator.ts';
import { runCli } from '../testing/run-cli.ts';

function oneBot(): FakeOrchestrator {
  const orchestrator = new FakeOrchestrator();
  orchestrator.addBot({ botId: 'b' });
  orchestrator.result = { status: 'stopped', container_name: 'bot_dev_b_abc' };
  return orchestrator;
}

it('waits until the bot is stopped', async () => {
  const orchestrator = oneBot();
  orchestrator.watchScripts.push([
    { job: { reason: 'stopping' } },
    { job: { status: JobStatus.COMPLETED, result: orchestrator.result } },
  ]);
  expect(await runCli(['stop', 'b'], { orchestrator })).toEqual({
    exitCode: 0,
    stdout: 'b is stopped. Container: bot_dev_b_abc\n',
    stderr: 'stopping\n',
  });
});

it('prints the result as JSON, and its progress on stderr', async () => {
  const told = await runCli(['stop', 'b', '--json'], { orchestrator: oneBot() });
  expect(JSON.parse(told.stdout)).toEqual({
    job_id: '01JD00000000000000000000J1',
    bot_id: 'b',
    status: 'stopped',
    container_name: 'bot_dev_b_abc',
  });
  const events = told.stderr
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(events.map(({ event, status }) => [event, status])).toEqual([
    ['job', 'running'],
    ['job', 'completed'],
  ]);
});

it('of an unknown bot is refused', async () => {
  expect(await runCli(['stop', 'nope'])).toMatchObject({ exitCode: 1, stdout: '' });
});

it('that failed or was cancelled ends with 1 and the reason', async () => {
  const orchestrator = oneBot();
  const error = problemToProto(problem('CONTAINER_ERROR', 'The engine does not answer.'));
  orchestrator.watchScripts.push(
    [{ job: { status: JobStatus.FAILED, error } }],
    [{ job: { status: JobStatus.CANCELLED } }],
  );
  const failed = await runCli(['stop', 'b'], { orchestrator });
  expect(failed).toMatchObject({ exitCode: 1, stdout: '' });
  expect(failed.stderr).toContain('Error CONTAINER_ERROR: The engine does not answer.\n');
  const cancelled = await runCli(['stop', 'b'], { orchestrator });
  expect(cancelled.exitCode).toBe(1);
  expect(cancelled.stderr).toContain('Job 01JD00000000000000000000J2 was cancelled for no known reason.');
});

it('says what the worker had to do', async () => {
  const orchestrator = oneBot();
  orchestrator.result = { status: 'stopped', container_name: 'c', notices: ['did not end, and was \u001b[1mkilled'] };
  expect((await runCli(['stop', 'b'], { orchestrator })).stdout).toBe(
    'b is stopped. Container: c\n  Note: did not end, and was \\x1b[1mkilled\n',
  );
});

describe('of several bots', () => {
  const three = (): FakeOrchestrator => {
    const orchestrator = oneBot();
    orchestrator.addBot({ botId: 'c' });
    return orchestrator;
  };

  it('asks for all of them before it waits for the first, and shows how each ended', async () => {
    const orchestrator = three();
    const told = await runCli(['stop', 'b', 'c', 'b'], { orchestrator });
    expect(told.stdout).toBe('b is stopped. Container: bot_dev_b_abc\nc is stopped. Container: bot_dev_b_abc\n');
    expect(told.exitCode).toBe(0);
    expect(orchestrator.calls).toEqual(['stopBot', 'stopBot', 'watchJob', 'watchJob']);
  });

  it('stops the others when one is refused or fails, and ends with the code of the first that did', async () => {
    const orchestrator = three();
    const error = problemToProto(problem('CONTAINER_ERROR', 'The engine does not answer.'));
    orchestrator.watchScripts.push([{ job: { status: JobStatus.FAILED, error } }]);
    const told = await runCli(['stop', 'nope', 'b', 'c'], { orchestrator });
    expect(told).toMatchObject({ exitCode: 1, stdout: 'c is stopped. Container: bot_dev_b_abc\n' });
    expect(told.stderr).toContain('Error BOT_NOT_FOUND: There is no such bot.\n');
    expect(told.stderr).toContain('Error CONTAINER_ERROR: The engine does not answer.\n');
  });

  it('prints one object per bot with --json', async () => {
    const told = await runCli(['stop', 'b', 'c', '--json'], { orchestrator: three() });
    expect(
      told.stdout
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line).bot_id),
    ).toEqual(['b', 'c']);
  });
});
