/** Bugs of the original's command line that must not come back, each named after it. */
import { Readable } from 'node:stream';
import { expect, it } from 'vitest';
import { problem } from '#common/problem.ts';
import { problemToProto } from '#common/problem-proto.ts';
import { listSafeTar } from '#common/safe-tar.ts';
import { JobStatus } from '#gen/botrunner/v1/job_pb.js';
import { FakeOrchestrator } from '../../cli/testing/fake-orchestrator.ts';
import { runCli } from '../../cli/testing/run-cli.ts';
import { tempFolder } from '../../cli/testing/temp-folder.ts';

const files = { 'bot.py': 'print(1)\n' };

async function cli(argv: readonly string[], orchestrator = new FakeOrchestrator(), cwd?: string) {
  const told = await runCli(argv, { orchestrator, cwd: cwd ?? (await tempFolder(files)) });
  return { ...told, orchestrator, source: orchestrator.starts[0]?.spec?.source };
}

it('"--simple --inline --code" is an argparse error', async () => {
  const { exitCode, source } = await cli(['start', 'b', '--simple', '--inline', '--code', 'print(1)']);
  expect(exitCode).toBe(0);
  expect(source?.case).toBe('simple');
});

it('"start ... -v" fails', async () => {
  expect((await cli(['start', 'b', '--simple', 'bot.py', '-v'])).exitCode).toBe(0);
});

it('"status" without a bot is answered with the usage, not with a trace', async () => {
  const { exitCode, stdout, stderr } = await cli(['status']);
  expect([exitCode, stdout]).toEqual([2, '']);
  expect(stderr).toContain('status');
  expect(stderr).not.toMatch(/\bat .*:\d+:\d+/);
});

it.each([
  ['--entrypoint', ['--entrypoint', 'bot.py']],
  ['-r', ['-r', 'aiogram']],
])('%s is silently ignored with --git and --custom', async (option, words) => {
  for (const source of [
    ['--git', 'https://host.example/x.git'],
    ['--custom', '.'],
  ]) {
    const { exitCode, stderr, orchestrator } = await cli(['start', 'b', ...source, ...words]);
    expect([exitCode, orchestrator.starts.length]).toEqual([2, 0]);
    expect(stderr).toContain(option);
  }
});

it('-r "aiogram>=3.0,<4" splits into two packages', async () => {
  const { source } = await cli(['start', 'b', '--simple', 'bot.py', '-r', 'aiogram>=3.0,<4']);
  expect(source?.value).toMatchObject({ requirements: ['aiogram>=3.0,<4'] });
});

it('--git of another host without .git is sent as an archive, and the branch is "main" when none is given', async () => {
  const { source } = await cli(['start', 'b', '--git', 'https://git.example.org/team/bot']);
  const value = { url: 'https://git.example.org/team/bot', ref: '' };
  expect(source).toMatchObject({ case: 'custom', value: { from: { case: 'git', value } } });
});

it('an archive URL at GitHub is sent as a git repository', async () => {
  const url = 'https://github.com/user/bot/archive/refs/heads/main.tar.gz';
  const { source } = await cli(['start', 'b', '--custom', url]);
  expect(source).toMatchObject({ case: 'custom', value: { from: { case: 'archiveUrl', value: url } } });
});

it('files: non-UTF-8 aborts, hidden folders go along, directories are flattened', async () => {
  const cwd = await tempFolder({
    'bot/bot.py': '',
    'bot/.git/config': 'x',
    'bot/.venv/lib/x.py': 'x',
    'bot/.env': 'SECRET=1',
    'bot/locales/ru/m.mo': 'x',
    'bot/locales/en/m.mo': 'y',
  });
  const { exitCode, orchestrator } = await cli(['start', 'b', '--simple', 'bot'], new FakeOrchestrator(), cwd);
  expect(exitCode).toBe(0);
  const [tar = Buffer.alloc(0)] = orchestrator.artifacts.values();
  const names = [...(await listSafeTar(Readable.from([tar], { objectMode: false }))).keys()];
  expect(names.filter((name) => name.includes('.') && !name.endsWith('/')).toSorted()).toEqual([
    'bot.py',
    'locales/en/m.mo',
    'locales/ru/m.mo',
  ]);
});

it('files of the same name overwrite each other', async () => {
  const cwd = await tempFolder({ 'a/bot.py': '1', 'b/bot.py': '2' });
  const { exitCode, stderr, orchestrator } = await cli(
    ['start', 'b', '--simple', 'a/bot.py', 'b/bot.py'],
    new FakeOrchestrator(),
    cwd,
  );
  expect([exitCode, orchestrator.starts.length]).toEqual([1, 0]);
  expect(stderr).toContain('bot.py');
});

it('every failed job prints "unknown error" and ends with 0', async () => {
  const orchestrator = new FakeOrchestrator();
  const error = problemToProto(problem('BUILD_FAILED', 'Line 3 is wrong.', { hint: 'Fix line 3.' }));
  orchestrator.watchScripts.push([{ job: { status: JobStatus.FAILED, state: 'failed', error } }]);
  const { exitCode, stderr } = await cli(['start', 'b', '--simple', 'bot.py'], orchestrator);
  expect(exitCode).toBe(1);
  expect(stderr).toContain('BUILD_FAILED: Line 3 is wrong.');
  expect(stderr).toContain('Fix line 3.');
});

it('stop of an unknown bot prints success', async () => {
  const { exitCode, stdout, stderr } = await cli(['stop', 'unknown']);
  expect([exitCode, stdout]).toEqual([1, '']);
  expect(stderr).toContain('BOT_NOT_FOUND');
});

it('everything travels base64 in one JSON body', async () => {
  const { orchestrator } = await cli(['start', 'b', '--simple', 'bot.py']);
  expect(orchestrator.calls.slice(0, 3)).toEqual(['checkDeploy', 'uploadArtifact', 'startBot']);
});

it('logs -f makes a job for each look and prints its id', async () => {
  const orchestrator = new FakeOrchestrator();
  orchestrator.addBot({ botId: 'b' });
  const { stdout, stderr } = await cli(['logs', 'b'], orchestrator);
  expect(orchestrator.calls).toEqual(['getBot', 'streamLogs']);
  expect(stdout + stderr).not.toMatch(/job/i);
});
