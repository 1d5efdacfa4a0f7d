import { Readable } from 'node:stream';
import { Code, ConnectError } from '@connectrpc/connect';
import tar from 'tar-stream';
import { describe, expect, it } from 'vitest';
import { problem } from '#common/problem.ts';
import { problemToProto } from '#common/problem-proto.ts';
import { JobStatus } from '#gen/botrunner/v1/job_pb.js';
import { LogStream } from '#gen/botrunner/v1/log_pb.js';
import { Interrupted } from '../errors.ts';
import { connectionLost, FakeOrchestrator, logLines, refusal, type Step } from '../testing/fake-orchestrator.ts';
import { runCli } from '../testing/run-cli.ts';
import { tempFolder } from '../testing/temp-folder.ts';

const startedResult = {
  status: 'started',
  bot_id: 'b',
  container_id: 'c0ffee',
  container_name: 'bot_dev_b_abc',
  started_at: '2026-11-22T15:00:00Z',
};
const completed = (result: NonNullable<Extract<Step, { job: unknown }>['job']['result']>): Step => ({
  job: { state: 'completed', status: JobStatus.COMPLETED, result },
});

const oneFile = () => tempFolder({ 'bot.py': 'print(1)\n' });

describe('start', () => {
  it('uploads the files, starts the bot once and shows what happens until it runs', async () => {
    const orchestrator = new FakeOrchestrator();
    orchestrator.watchScripts.push([
      { job: { status: JobStatus.WAITING_FOR_WORKER, reason: 'no worker is connected' } },
      { job: { status: JobStatus.RUNNING, reason: 'building' } },
      { lines: logLines(['Step 1/4 : FROM python:3.11-slim', 'done'], LogStream.BUILD) },
      { job: { status: JobStatus.RUNNING, reason: 'starting' } },
      completed(startedResult),
    ]);
    const words = [
      'start',
      'b',
      '--simple',
      'bot.py',
      '-r',
      'aiogram>=3.0,<4,httpx',
      '-e',
      'BOT_TOKEN=123:ABC',
      '-e',
      'K=-1',
    ];
    const told = await runCli(words, { orchestrator, cwd: await oneFile() });
    expect(told).toEqual({
      exitCode: 0,
      stdout: [
        'b is running.',
        '  Container  bot_dev_b_abc',
        '  Started    2026-11-22T15:00:00Z',
        '  Logs       avtomatika-bot logs b -f',
        '  Status     avtomatika-bot status b',
        '  Stop       avtomatika-bot stop b',
        '',
      ].join('\n'),
      stderr: [
        'Uploading 1 file (9 B)',
        'Waiting for a worker: no worker is connected',
        'building',
        '  | Step 1/4 : FROM python:3.11-slim',
        '  | done',
        'starting',
        '',
      ].join('\n'),
    });
    expect(orchestrator.calls).toEqual(['checkDeploy', 'uploadArtifact', 'startBot', 'watchJob']);
    const [start] = orchestrator.starts;
    const [sha256, archive] = [...orchestrator.artifacts][0] ?? expect.unreachable();
    expect(start).toMatchObject({ botId: 'b', idempotencyKey: 'key-1' });
    expect(start?.spec?.env).toEqual({ BOT_TOKEN: '123:ABC', K: '-1' });
    expect(start?.spec?.source).toMatchObject({
      case: 'simple',
      value: { artifactSha256: sha256, entrypoint: 'bot.py', requirements: ['aiogram>=3.0,<4', 'httpx'] },
    });
    expect(await namesIn(archive)).toEqual(['bot.py']);
  });

  it('takes a folder with its requirements.txt, and says what it left out', async () => {
    const orchestrator = new FakeOrchestrator();
    orchestrator.result = startedResult;
    const cwd = await tempFolder({
      'my_bot/main.py': '',
      'my_bot/handlers/start.py': '',
      'my_bot/requirements.txt': 'aiogram>=3.0,<4\n',
      'my_bot/.env': 'SECRET=1',
    });
    const told = await runCli(['start', 'b', '--simple', 'my_bot/', '-v'], { orchestrator, cwd });
    expect(told.exitCode).toBe(0);
    expect(told.stderr).toBe(
      [
        'Left out: my_bot/.env. --include PATH sends one anyway',
        'Runs main.py; --entrypoint or --command runs something else',
        'Packages from requirements.txt: aiogram>=3.0,<4',
        'Uploading 3 files (16 B)',
        '  handlers/start.py',
        '  main.py',
        '  requirements.txt',
        '',
      ].join('\n'),
    );
    expect(orchestrator.starts[0]?.spec?.source.value).toMatchObject({
      entrypoint: 'main.py',
      requirements: ['aiogram>=3.0,<4'],
    });
  });

  it('does not wait with --no-wait', async () => {
    const orchestrator = new FakeOrchestrator();
    const cwd = await oneFile();
    const told = await runCli(['start', 'b', '--no-wait', '--simple', 'bot.py'], { orchestrator, cwd });
    expect(told).toMatchObject({
      exitCode: 0,
      stdout:
        'Job 01JD00000000000000000000J1 was accepted. Check it with: avtomatika-bot job 01JD00000000000000000000J1\n',
    });
    expect(orchestrator.calls).not.toContain('watchJob');
    const json = await runCli(['start', 'b', '--no-wait', '--json', '--simple', 'bot.py'], { cwd });
    expect(JSON.parse(json.stdout)).toEqual({ job_id: '01JD00000000000000000000J1', bot_id: 'b', status: 'accepted' });
  });

  it('prints the result as one JSON object, and progress as one per line on stderr', async () => {
    const orchestrator = new FakeOrchestrator();
    orchestrator.watchScripts.push([{ lines: logLines(['Step 1'], LogStream.BUILD) }, completed(startedResult)]);
    const told = await runCli(['start', 'b', '--json', '--simple', 'bot.py'], { orchestrator, cwd: await oneFile() });
    expect(JSON.parse(told.stdout)).toEqual({ job_id: '01JD00000000000000000000J1', ...startedResult });
    const events = told.stderr
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line).event);
    expect(events).toEqual(['note', 'job', 'build', 'job']);
  });
});

describe('a bot that has already ended', () => {
  it('with code 0 is a notice, and start succeeds', async () => {
    const orchestrator = new FakeOrchestrator();
    orchestrator.result = { ...startedResult, status: 'exited', exit_code: 0, last_lines: ['bye'] };
    const told = await runCli(['start', 'b', '--simple', 'bot.py'], { orchestrator, cwd: await oneFile() });
    expect(told.exitCode).toBe(0);
    expect(told.stdout).toBe(
      [
        'b ran and exited with exit code 0. It will not be restarted.',
        '  | bye',
        '  Container  bot_dev_b_abc',
        '  Started    2026-11-22T15:00:00Z',
        '  Logs       avtomatika-bot logs b',
        '  Status     avtomatika-bot status b',
        '',
      ].join('\n'),
    );
  });

  it('with an error ends with 3 and shows its last lines', async () => {
    const orchestrator = new FakeOrchestrator();
    orchestrator.result = {
      ...startedResult,
      status: 'crash_loop',
      exit_code: 1,
      last_lines: ['Traceback (most recent call last):', 'KeyError: \u001b[1mBOT_TOKEN'],
      diagnosis: 'the environment variable BOT_TOKEN is missing: set it when you start the bot',
    };
    const told = await runCli(['start', 'b', '--simple', 'bot.py'], {
      orchestrator,
      cwd: await oneFile(),
      terminal: true,
    });
    expect(told.exitCode).toBe(3);
    expect(told.stdout).toContain('🔴 b started, but exited with exit code 1. It will be restarted after a pause.');
    expect(told.stdout).toContain('  | Traceback (most recent call last):\n  | KeyError: BOT_TOKEN\n');
    expect(told.stdout).toContain('  Diagnosis  the environment variable BOT_TOKEN is missing: set it when you start');
  });
});

describe('a start that fails', () => {
  it('shows the code, the end of the build output and the cure', async () => {
    const orchestrator = new FakeOrchestrator();
    const details = { output_tail: ['ERROR: No matching distribution found for aiogramm'] };
    const error = problemToProto(problem('BUILD_FAILED', 'The packages could not be installed.', { details }));
    orchestrator.watchScripts.push([{ job: { status: JobStatus.FAILED, state: 'failed', error } }]);
    const told = await runCli(['start', 'b', '--simple', 'bot.py'], { orchestrator, cwd: await oneFile() });
    expect(told).toEqual({
      exitCode: 1,
      stdout: '',
      stderr: [
        'Uploading 1 file (9 B)',
        'Error BUILD_FAILED: The packages could not be installed.',
        '  | ERROR: No matching distribution found for aiogramm',
        '  Hint: Read the end of the build output.',
        '  Example: avtomatika-bot logs b -n 50',
        '',
      ].join('\n'),
    });
  });

  it('is cancelled when it does not end within --timeout', async () => {
    const orchestrator = new FakeOrchestrator();
    orchestrator.watchScripts.push([{ job: { reason: 'waiting' } }, 'silence']);
    const words = ['start', 'b', '--simple', 'bot.py', '--timeout', '90s'];
    const told = await runCli(words, { orchestrator, cwd: await oneFile() });
    expect(told).toMatchObject({ exitCode: 1, stdout: '' });
    expect(told.stderr).toContain('did not end within 90s, and was cancelled. Check it with: avtomatika-bot job ');
    expect(orchestrator.calls.at(-1)).toBe('cancelJob');
  });

  it('is not sent with a --timeout that is none', async () => {
    const orchestrator = new FakeOrchestrator();
    const words = ['start', 'b', '--simple', 'bot.py', '--timeout', 'soon'];
    const told = await runCli(words, { orchestrator, cwd: await oneFile() });
    expect(told).toMatchObject({ exitCode: 2, stdout: '' });
    expect(orchestrator.calls).toEqual([]);
  });

  it('does not show the end of the build output again that stands above it', async () => {
    const orchestrator = new FakeOrchestrator();
    const output = ['Installing the requirements.', '\u001b[31mERROR: No matching distribution\u001b[0m'];
    const details = { output_tail: output };
    const error = problemToProto(problem('BUILD_FAILED', 'The packages could not be installed.', { details }));
    const script: Step[] = [
      { lines: logLines(output, LogStream.BUILD) },
      { job: { status: JobStatus.FAILED, state: 'failed', error } },
    ];
    orchestrator.watchScripts.push(script, script);
    const told = await runCli(['start', 'b', '--simple', 'bot.py'], { orchestrator, cwd: await oneFile() });
    expect(told.stderr).toBe(
      [
        'Uploading 1 file (9 B)',
        '  | Installing the requirements.',
        '  | ERROR: No matching distribution',
        'Error BUILD_FAILED: The packages could not be installed.',
        '  Hint: Read the end of the build output.',
        '  Example: avtomatika-bot logs b -n 50',
        '',
      ].join('\n'),
    );
    const json = await runCli(['start', 'b', '--simple', 'bot.py', '--json'], { orchestrator, cwd: await oneFile() });
    expect(json.stderr).toContain('"output_tail":["Installing');
  });

  it('shows a refusal with hint and example', async () => {
    const orchestrator = new FakeOrchestrator();
    orchestrator.failNext(
      'startBot',
      refusal('QUOTA_EXCEEDED', 'You have 3 of 3 bots.', {
        hint: 'Stop one first, for example bot-1.',
        example: { blueprint: 'bot_runner', data: { action: 'stop', bot_id: 'bot-1' } },
        details: { max_bots: 3 },
      }),
    );
    const told = await runCli(['start', 'b', '--simple', 'bot.py', '-v'], { orchestrator, cwd: await oneFile() });
    expect(told.exitCode).toBe(1);
    expect(told.stderr).toContain(
      [
        'Error QUOTA_EXCEEDED: You have 3 of 3 bots.',
        '  Hint: Stop one first, for example bot-1.',
        '  Example: avtomatika-bot stop bot-1',
        '  max_bots: 3',
        '',
      ].join('\n'),
    );
  });

  it('is checked before anything is uploaded', async () => {
    const orchestrator = new FakeOrchestrator();
    orchestrator.failNext('checkDeploy', refusal('QUOTA_EXCEEDED', 'You have 3 of 3 bots.'));
    const cwd = await tempFolder({ 'bot.py': 'print(1)' });
    const told = await runCli(['start', 'b', '--simple', 'bot.py', '--on', 'zone=eu'], { orchestrator, cwd });
    expect(told).toMatchObject({ exitCode: 1, stdout: '' });
    expect(told.stderr).toMatch(/^Error QUOTA_EXCEEDED: /);
    expect(orchestrator.calls).toEqual(['checkDeploy']);
  });

  it('is uploaded all the same to an orchestrator that cannot check it', async () => {
    const orchestrator = new FakeOrchestrator();
    orchestrator.failNext('checkDeploy', new ConnectError('HTTP 404', Code.Unimplemented));
    const cwd = await tempFolder({ 'bot.py': 'print(1)' });
    expect(await runCli(['start', 'b', '--simple', 'bot.py'], { orchestrator, cwd })).toMatchObject({ exitCode: 0 });
  });

  it('shows why an upload was refused', async () => {
    const orchestrator = new FakeOrchestrator();
    orchestrator.failNext('uploadArtifact', refusal('STORAGE_FULL', 'The disk is full.'));
    const told = await runCli(['start', 'b', '--simple', 'bot.py'], { orchestrator, cwd: await oneFile() });
    expect(told).toMatchObject({ exitCode: 1, stdout: '' });
    expect(told.stderr).toMatch(/^Uploading .*\nError STORAGE_FULL: The disk is full\.\n/);
    expect(orchestrator.starts).toEqual([]);
  });

  it('does not start what was damaged on its way', async () => {
    const orchestrator = new FakeOrchestrator();
    orchestrator.damageUploads = true;
    const told = await runCli(['start', 'b', '--simple', 'bot.py'], { orchestrator, cwd: await oneFile() });
    expect(told).toMatchObject({
      exitCode: 1,
      stderr: 'Uploading 1 file (9 B)\nError INVALID_ARCHIVE: The files were damaged in transit. Try again.\n',
    });
    expect(orchestrator.starts).toEqual([]);
  });

  it.each<[string[], string, number]>([
    [
      ['start', 'b'],
      'Error: The source of the bot is missing. ' +
        'Give one of --simple FILE..., --code TEXT, --custom PATH, --git URL or --image REF.',
      2,
    ],
    [
      ['start', 'b', '--simple', 'nope.py'],
      'Error: There is no file or folder nope.py. Check the name and the current folder.',
      1,
    ],
    [
      ['start', 'b', '--simple', 'bot.py', '--entrypoint', 'x.py'],
      'Error INVALID_ENTRYPOINT: The entrypoint x.py is not one of the files. Give --entrypoint FILE with one of: bot.py.',
      1,
    ],
    [
      ['start', 'b', '--simple', 'bot.py', '-r', 'nope.txt'],
      'Error: There is no file or folder nope.txt. Check the name and the current folder.',
      1,
    ],
  ])('%j says in one line what is wrong, before it connects', async (words, line, exitCode) => {
    const orchestrator = new FakeOrchestrator();
    const told = await runCli(words, { orchestrator, cwd: await oneFile() });
    expect(told).toEqual({ exitCode, stdout: '', stderr: `${line}\n` });
    expect(orchestrator.calls).toEqual([]);
  });

  it('refuses a bad bot id and a bad -e before it connects, without showing the value', async () => {
    const orchestrator = new FakeOrchestrator();
    const cwd = await oneFile();
    const badId = await runCli(['start', 'тест бот!', '--simple', 'bot.py'], { orchestrator, cwd });
    expect(badId).toEqual({
      exitCode: 1,
      stdout: '',
      stderr:
        'Error INVALID_BOT_ID: The bot id is not valid. ' +
        'Use 1 to 64 Latin letters, digits, "_" or "-": avtomatika-bot start my-bot --simple bot.py\n',
    });
    const badEnv = await runCli(['start', 'b', '--simple', 'bot.py', '-e', '-X=canary'], { orchestrator, cwd });
    expect(badEnv).toEqual({
      exitCode: 2,
      stdout: '',
      stderr:
        'Error INVALID_ENV_VARS: -e number 1 has a name with other characters than letters, digits and "_". ' +
        'Write -e NAME=VALUE, for example -e BOT_TOKEN=123:ABC.\n',
    });
    expect(orchestrator.calls).toEqual([]);
  });
});

describe('a connection that breaks', () => {
  it('during StartBot is tried again with the same key', async () => {
    const orchestrator = new FakeOrchestrator();
    orchestrator.result = startedResult;
    orchestrator.failNext('startBot', connectionLost());
    orchestrator.failNext('startBot', new ConnectError('reset', Code.Aborted));
    const told = await runCli(['start', 'b', '--simple', 'bot.py'], { orchestrator, cwd: await oneFile() });
    expect(told.exitCode).toBe(0);
    expect(orchestrator.starts.map(({ idempotencyKey }) => idempotencyKey)).toEqual(['key-1']);
    expect(orchestrator.calls).toEqual([
      'checkDeploy',
      'uploadArtifact',
      'startBot',
      'startBot',
      'startBot',
      'watchJob',
    ]);
  });

  it('while it waits is told and opened again', async () => {
    const orchestrator = new FakeOrchestrator();
    orchestrator.result = startedResult;
    orchestrator.watchScripts.push([{ job: { reason: 'building' } }, { error: connectionLost() }]);
    const told = await runCli(['start', 'b', '--simple', 'bot.py'], { orchestrator, cwd: await oneFile() });
    expect(told.exitCode).toBe(0);
    expect(told.stderr).toContain('building\nConnection lost; reconnecting\n');
  });
});

it('Ctrl-C while it waits says that the job continues, and how to look', async () => {
  const ending = new AbortController();
  const orchestrator = new FakeOrchestrator();
  orchestrator.watchScripts.push([
    { job: { reason: 'building' } },
    { call: () => ending.abort(new Interrupted()) },
    'silence',
  ]);
  const { signal } = ending;
  const told = await runCli(['start', 'b', '--simple', 'bot.py'], { orchestrator, signal, cwd: await oneFile() });
  expect(told.exitCode).toBe(130);
  expect(told.stdout).toBe('');
  expect(told.stderr).toContain(
    'building\nJob 01JD00000000000000000000J1 continues. Check it with: avtomatika-bot job 01JD00000000000000000000J1\n' +
      'Cancel it with: avtomatika-bot cancel 01JD00000000000000000000J1\n',
  );
});

async function namesIn(archive: Buffer): Promise<string[]> {
  const extract = tar.extract();
  Readable.from([archive]).pipe(extract);
  const names: string[] = [];
  for await (const entry of extract) {
    names.push(entry.header.name);
    entry.resume();
  }
  return names;
}
