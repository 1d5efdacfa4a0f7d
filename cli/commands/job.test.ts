import { describe, expect, it } from 'vitest';
import { problem } from '#common/problem.ts';
import { problemToProto } from '#common/problem-proto.ts';
import { JobStatus } from '#gen/botrunner/v1/job_pb.js';
import { FakeOrchestrator } from '../testing/fake-orchestrator.ts';
import { runCli } from '../testing/run-cli.ts';

type JobFields = Parameters<FakeOrchestrator['addJob']>[0];

function withJob(fields: JobFields) {
  const orchestrator = new FakeOrchestrator();
  const { jobId } = orchestrator.addJob({ action: 'start', botId: 'b', state: 'start_bot', ...fields });
  return { orchestrator, jobId };
}

const times = ['  Accepted  2026-11-22T15:00:00Z', '  Changed   2026-11-22T15:00:00Z'];

describe('job', () => {
  it('shows a job that continues, with the way to end it', async () => {
    const { orchestrator, jobId } = withJob({ reason: 'the image is being built' });
    expect(await runCli(['job', jobId], { orchestrator })).toEqual({
      exitCode: 0,
      stdout: [
        `Job ${jobId}`,
        '  Status    running',
        '  Reason    the image is being built',
        '  Action    start',
        '  State     start_bot',
        ...times,
        '  Deadline  2026-11-22T15:10:00Z',
        '  Bot       avtomatika-bot status b',
        `  Cancel    avtomatika-bot cancel ${jobId}`,
        '',
      ].join('\n'),
      stderr: '',
    });
  });

  it('shows what a job has done', async () => {
    const { orchestrator, jobId } = withJob({ status: JobStatus.COMPLETED, result: { status: 'started' } });
    const told = await runCli(['job', jobId], { orchestrator });
    expect(told).toMatchObject({ exitCode: 0, stderr: '' });
    expect(told.stdout).toContain('  Status    completed\n  Result    started\n');
    expect(told.stdout).not.toContain('cancel');
  });

  it('shows why a job failed, and ends with 1', async () => {
    const error = problemToProto(
      problem('BUILD_FAILED', 'It could not be built.', { details: { output_tail: ['E: \u001b[1m'] } }),
    );
    const { orchestrator, jobId } = withJob({ status: JobStatus.FAILED, error });
    const told = await runCli(['job', jobId], { orchestrator });
    expect(told).toMatchObject({ exitCode: 1, stderr: '' });
    expect(told.stdout).toContain(
      [
        '  Bot       avtomatika-bot status b',
        'Error BUILD_FAILED: It could not be built.',
        '  | E: ',
        '  Hint: Read the end of the build output.',
        '',
      ].join('\n'),
    );
  });

  it.each<[JobFields, number, unknown]>([
    [{ status: JobStatus.RUNNING }, 0, { status: 'running', data: {} }],
    [
      { status: JobStatus.COMPLETED, result: { status: 'stopped' } },
      0,
      { status: 'completed', data: { result: { status: 'stopped' } }, state_history: { status: 'stopped' } },
    ],
    [
      { status: JobStatus.CANCELLED, error: problemToProto(problem('CANCELLED', 'Cancelled.')) },
      1,
      { status: 'cancelled', data: { error: { code: 'CANCELLED' } } },
    ],
  ])('prints %j as JSON with the names of the REST API', async (fields, exitCode, expected) => {
    const { orchestrator, jobId } = withJob(fields);
    const told = await runCli(['job', jobId, '--json'], { orchestrator });
    expect(told).toMatchObject({ exitCode, stderr: '' });
    expect(JSON.parse(told.stdout)).toMatchObject({
      job_id: jobId,
      blueprint: 'bot_runner',
      action: 'start',
      bot_id: 'b',
      state: 'start_bot',
      current_state: 'start_bot',
      created_at: '2026-11-22T15:00:00.000Z',
      ...(expected as object),
    });
  });

  it('that is unknown is refused', async () => {
    expect(await runCli(['job', 'nonsense'])).toEqual({
      exitCode: 1,
      stdout: '',
      stderr:
        'Error JOB_NOT_FOUND: There is no such job.\n  Hint: Check the job id; events show it: avtomatika-bot events\n  Example: avtomatika-bot events\n',
    });
  });
});

describe('cancel', () => {
  it('asks for the end of a job and waits for it', async () => {
    const { orchestrator, jobId } = withJob({ reason: 'the image is being built' });
    orchestrator.watchScripts.push([
      { job: { reason: 'the image is being built' } },
      { job: { status: JobStatus.CANCELLED, state: 'failed' } },
    ]);
    expect(await runCli(['cancel', jobId], { orchestrator })).toEqual({
      exitCode: 0,
      stdout: `Job ${jobId} is cancelled.\n`,
      stderr: 'the image is being built\n',
    });
    expect(orchestrator.calls).toEqual(['cancelJob', 'watchJob']);
  });

  it('of a job that is cancelled already succeeds', async () => {
    const { orchestrator, jobId } = withJob({ status: JobStatus.CANCELLED });
    const told = await runCli(['cancel', jobId, '--json'], { orchestrator });
    expect(told).toMatchObject({ exitCode: 0, stderr: '' });
    expect(JSON.parse(told.stdout)).toMatchObject({ job_id: jobId, status: 'cancelled' });
    expect(orchestrator.calls).toEqual(['cancelJob']);
  });

  it.each([JobStatus.COMPLETED, JobStatus.FAILED])('of a job that ended with %i comes too late', async (status) => {
    const { orchestrator, jobId } = withJob({ status });
    const told = await runCli(['cancel', jobId], { orchestrator });
    expect(told).toMatchObject({ exitCode: 1, stderr: '' });
    expect(told.stdout).toMatch(/^Job .* ended before it could be cancelled: (completed|failed)\.\n$/);
  });

  it('of an unknown job is refused', async () => {
    expect((await runCli(['cancel', 'nonsense'])).stderr).toMatch(/^Error JOB_NOT_FOUND: /);
  });
});
