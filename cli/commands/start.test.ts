import { Readable } from 'node:stream';
import { Code, ConnectError } from '@connectrpc/connect';
import tar from 'tar-stream';
import { describe, expect, it } from 'vitest';
import { JobStatus } from '#gen/botrunner/v1/job_pb.js';
import { LogStream } from '#gen/botrunner/v1/log_pb.js';
import { Interrupted } from '../failures/errors.ts';
import { connectionLost, FakeOrchestrator, logLines, type Step } from '../testing/fake-orchestrator.ts';
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

describe('a connection that breaks', () => {
  it('during StartBot is retried with the same key', async () => {
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

  it('while it waits is reported and opened again', async () => {
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
