import { describe, expect, it } from 'vitest';
import { problem } from '#common/problem.ts';
import { problemToProto } from '#common/problem-proto.ts';
import { JobStatus } from '#gen/botrunner/v1/job_pb.js';
import { connectionLost, FakeOrchestrator } from '../testing/fake-orchestrator.ts';
import { runCli } from '../testing/run-cli.ts';
import { tempFolder } from '../testing/temp-folder.ts';

function oneBot(): FakeOrchestrator {
  const orchestrator = new FakeOrchestrator();
  orchestrator.addBot({ botId: 'b' });
  orchestrator.result = { status: 'updated', container_name: 'bot_dev_b_abc', started_at: '2026-11-22T15:00:00Z' };
  return orchestrator;
}

describe('update', () => {
  it('gives the bot new code and waits until it runs', async () => {
    const orchestrator = oneBot();
    orchestrator.watchScripts.push([
      { job: { reason: 'the image is being built', state: 'update_bot' } },
      { job: { reason: '', state: 'update_bot' } },
      { job: { status: JobStatus.COMPLETED, result: orchestrator.result } },
    ]);
    const cwd = await tempFolder({ 'v2.py': 'print(2)\n' });
    expect(await runCli(['update', 'b', '--simple', 'v2.py'], { orchestrator, cwd })).toEqual({
      exitCode: 0,
      stdout: [
        'b was updated and is running.',
        '  Container  bot_dev_b_abc',
        '  Started    2026-11-22T15:00:00Z',
        '  Logs       avtomatika-bot logs b -f',
        '  Status     avtomatika-bot status b',
        '  Stop       avtomatika-bot stop b',
        '',
      ].join('\n'),
      stderr: 'Uploading 1 file (9 B)\nthe image is being built\n',
    });
    expect(orchestrator.calls).toEqual(['checkDeploy', 'uploadArtifact', 'updateBot', 'watchJob']);
    expect(orchestrator.updates).toMatchObject([{ botId: 'b', spec: { source: { case: 'simple' } } }]);
  });

  it.each<[string[], boolean, Record<string, string>]>([
    [[], true, {}],
    [['-e', 'A=1'], false, { A: '1' }],
    [['--env-file', 'bot.env'], false, { B: '2' }],
    // An empty file is an environment too.
    [['--env-file', 'empty.env'], false, {}],
  ])('with %j keeps the environment: %s', async (words, keepEnv, env) => {
    const orchestrator = oneBot();
    const cwd = await tempFolder({ 'bot.env': 'B=2\n', 'empty.env': '' });
    const told = await runCli(['update', 'b', '--image', 'x', ...words], { orchestrator, cwd });
    expect(told.exitCode).toBe(0);
    expect(orchestrator.updates[0]).toMatchObject({ keepEnv, takeover: false, spec: { env } });
  });

  it.each<[string[], object]>([
    [['-e', 'A=1', '-e', 'B-', '--on', 'zone-'], { reset: { env: ['B'], on: ['zone'] } }],
    [['--memory', 'default', '--cpus', '0.5'], { reset: { memory: true, cpus: false } }],
    [['--replace-env'], { replaceEnv: true, keepEnv: false }],
    // If a name is both given and taken away, the value wins.
    [['-e', 'A-', '-e', 'A=1'], { reset: undefined, spec: { env: { A: '1' } } }],
  ])('with %j takes away what it says', async (words, request) => {
    const orchestrator = oneBot();
    const told = await runCli(['update', 'b', '--image', 'x', ...words], { orchestrator });
    expect(told).toMatchObject({ exitCode: 0 });
    expect(orchestrator.updates[0]).toMatchObject(request);
  });

  it.each<[string[], boolean | undefined]>([
    [[], undefined],
    [['--read-only'], true],
    [['--no-read-only'], false],
    [['--read-only', '--no-read-only'], false],
  ])('with %j asks for a read-only file system: %s', async (words, readOnly) => {
    const orchestrator = oneBot();
    const told = await runCli(['update', 'b', '--image', 'x', ...words], { orchestrator });
    expect(told).toMatchObject({ exitCode: 0 });
    expect(orchestrator.updates[0]?.spec?.readOnly).toBe(readOnly);
  });

  it('takes the packages away with an empty -r, and keeps them without -r', async () => {
    const orchestrator = oneBot();
    const cwd = await tempFolder({ 'v2.py': 'print(2)\n' });
    await runCli(['update', 'b', '--simple', 'v2.py', '-r', ''], { orchestrator, cwd });
    await runCli(['update', 'b', '--simple', 'v2.py'], { orchestrator, cwd });
    expect(orchestrator.updates.map(({ reset }) => reset?.requirements)).toEqual([true, undefined]);
  });

  it('refuses a name to take away that is none', async () => {
    const told = await runCli(['update', 'b', '--image', 'x', '-e', '1x-'], { orchestrator: oneBot() });
    expect(told.exitCode).toBe(2);
    expect(told.stderr).not.toContain('1x');
  });

  it('takes a token over when asked to', async () => {
    const orchestrator = oneBot();
    await runCli(['update', 'b', '--image', 'x', '--takeover'], { orchestrator });
    expect(orchestrator.updates[0]).toMatchObject({ takeover: true });
  });

  it('of an unknown bot is refused, and so is one without a source', async () => {
    const unknown = await runCli(['update', 'nope', '--image', 'x']);
    expect(unknown).toMatchObject({ exitCode: 1, stdout: '' });
    expect(unknown.stderr).toMatch(/^Error BOT_NOT_FOUND: /);
    const without = await runCli(['update', 'b']);
    expect(without).toMatchObject({ exitCode: 2, stdout: '' });
    expect(without.stderr).toMatch(/^Error: The source of the bot is missing\. /);
  });

  it('whose connection breaks is retried with the same key', async () => {
    const orchestrator = oneBot();
    orchestrator.failNext('updateBot', connectionLost());
    expect((await runCli(['update', 'b', '--image', 'x'], { orchestrator })).exitCode).toBe(0);
    expect(orchestrator.updates.map(({ idempotencyKey }) => idempotencyKey)).toEqual(['key-1']);
  });

  it('whose build fails shows why', async () => {
    const orchestrator = oneBot();
    const error = problemToProto(problem('BUILD_FAILED', 'The image could not be built.'));
    orchestrator.watchScripts.push([{ job: { status: JobStatus.FAILED, error } }]);
    const told = await runCli(['update', 'b', '--image', 'x'], { orchestrator });
    expect(told).toMatchObject({ exitCode: 1, stdout: '' });
    expect(told.stderr).toContain('Error BUILD_FAILED: The image could not be built.\n');
  });
});

describe('restart', () => {
  it('runs the bot again without its source', async () => {
    const orchestrator = oneBot();
    orchestrator.result = { status: 'restarted', container_name: 'bot_dev_b_abc' };
    const told = await runCli(['restart', 'b'], { orchestrator });
    expect(told).toMatchObject({ exitCode: 0, stderr: '' });
    expect(told.stdout).toMatch(/^b was restarted and is running\.\n/);
    expect(orchestrator.calls).toEqual(['restartBot', 'watchJob']);
  });

  it('that finds the bot crashing ends with 3', async () => {
    const orchestrator = oneBot();
    orchestrator.result = { status: 'crash_loop', exit_code: 1, last_lines: ['KeyError'] };
    const told = await runCli(['restart', 'b', '--json'], { orchestrator });
    expect(told.exitCode).toBe(3);
    expect(JSON.parse(told.stdout)).toMatchObject({ status: 'crash_loop', exit_code: 1, bot_id: 'b' });
  });

  it('of an unknown bot is refused', async () => {
    expect((await runCli(['restart', 'nope'])).stderr).toMatch(/^Error BOT_NOT_FOUND: /);
  });
});
