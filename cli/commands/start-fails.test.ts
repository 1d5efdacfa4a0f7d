import { Code, ConnectError } from '@connectrpc/connect';
import { describe, expect, it } from 'vitest';
import { problem } from '#common/problem.ts';
import { problemToProto } from '#common/problem-proto.ts';
import { JobStatus } from '#gen/botrunner/v1/job_pb.js';
import { LogStream } from '#gen/botrunner/v1/log_pb.js';
import { FakeOrchestrator, logLines, refusal, type Step } from '../testing/fake-orchestrator.ts';
import { runCli } from '../testing/run-cli.ts';
import { tempFolder } from '../testing/temp-folder.ts';

const oneFile = () => tempFolder({ 'bot.py': 'print(1)\n' });

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

  it('shows of the end of the build output only what does not stand above it', async () => {
    const orchestrator = new FakeOrchestrator();
    const late = "The command '/bin/sh -c npm install' returned a non-zero code: 1";
    const details = { output_tail: `Step 1/2\nnpm error EAI_AGAIN\n${late}` };
    const error = problemToProto(problem('BUILD_FAILED', 'The packages could not be installed.', { details }));
    orchestrator.watchScripts.push([
      { lines: logLines(['Step 1/2', 'npm error EAI_AGAIN'], LogStream.BUILD) },
      { job: { status: JobStatus.FAILED, state: 'failed', error } },
    ]);
    const { stderr } = await runCli(['start', 'b', '--simple', 'bot.py'], { orchestrator, cwd: await oneFile() });
    expect(stderr.split('\n').filter((line) => line.startsWith('  | '))).toEqual([
      '  | Step 1/2',
      '  | npm error EAI_AGAIN',
      `  | ${late}`,
    ]);
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

  it('is not sent to one that is too old to make its file system read-only, whatever its source', async () => {
    for (const source of [
      ['--simple', 'bot.py'],
      ['--image', 'x'],
    ]) {
      const orchestrator = new FakeOrchestrator();
      orchestrator.failNext('checkDeploy', new ConnectError('HTTP 404', Code.Unimplemented));
      const cwd = await tempFolder({ 'bot.py': 'print(1)' });
      const told = await runCli(['start', 'b', ...source, '--read-only'], { orchestrator, cwd });
      expect(told).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('too old to make the file system') });
      expect(orchestrator.calls).toEqual(['checkDeploy']);
    }
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
        'Error INVALID_ENV_VARS: -e number 1 has an invalid name: use Latin letters, digits and "_", and do not begin with a digit. ' +
        'Write -e NAME=VALUE, for example -e BOT_TOKEN=123:ABC.\n',
    });
    expect(orchestrator.calls).toEqual([]);
  });
});
