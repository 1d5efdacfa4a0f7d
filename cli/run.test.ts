import { Code, ConnectError } from '@connectrpc/connect';
import { describe, expect, it } from 'vitest';
import { version } from '#common/version.ts';
import { connectionLost, FakeOrchestrator } from './testing/fake-orchestrator.ts';
import { runCli } from './testing/run-cli.ts';

const failing = (error: ConnectError): FakeOrchestrator => {
  const orchestrator = new FakeOrchestrator();
  orchestrator.failNext('listBots', error);
  return orchestrator;
};

describe('the command line', () => {
  it('without a command is a usage error on stderr', async () => {
    const told = await runCli([]);
    expect(told).toMatchObject({ exitCode: 2, stdout: '' });
    expect(told.stderr).toMatch(
      /^Error: No command was given\. The commands are start, .*, token, worker\. See: avtomatika-bot --help\n$/,
    );
    expect((await runCli(['lst', '--json'])).stderr).toBe(
      '{"error":{"code":"USAGE","message":"There is no command \\"lst\\".","details":{},"hint":"Did you mean list?","example":null}}\n',
    );
  });

  it('prints version and help on stdout', async () => {
    expect(await runCli(['--version'])).toEqual({ exitCode: 0, stdout: `${version}\n`, stderr: '' });
    const help = await runCli(['--help']);
    expect(help).toMatchObject({ exitCode: 0, stderr: '' });
    for (const word of [
      'start BOT',
      'update BOT',
      'stop BOT',
      'logs BOT',
      'list',
      'status BOT',
      'job JOB',
      '--url URL',
      '-v, --verbose',
    ]) {
      expect(help.stdout).toContain(`  ${word}`);
    }
    expect((await runCli(['logs', '-h'])).stdout).toContain('-n, --tail, --lines N');
    const token = (await runCli(['token', '--help'])).stdout;
    for (const word of ['token add', 'token list', 'token revoke']) expect(token).toContain(`  ${word}`);
    expect(token).not.toContain('start BOT');
    expect((await runCli(['token', 'add', '--help'])).stdout).toContain('Usage: avtomatika-bot token add [options]');
  });
});

describe('the token', () => {
  it('that is missing is reported in one line with the cure', async () => {
    expect(await runCli(['list'], { env: {} })).toEqual({
      exitCode: 5,
      stdout: '',
      stderr: 'Error UNAUTHENTICATED: No token is set. Set AVTOMATIKA_TOKEN to your token, or give --token.\n',
    });
  });

  it('that is wrong ends with 5 and is not shown', async () => {
    const told = await runCli(['list', '--token', 'canary-token', '-v'], { env: {} });
    expect(told).toMatchObject({ exitCode: 5, stdout: '' });
    expect(told.stderr).toBe(
      'Error UNAUTHENTICATED: The token is not known.\n' +
        '  Hint: Set AVTOMATIKA_TOKEN to your token, or give --token.\n' +
        '  Example: avtomatika-bot list --token YOUR_TOKEN\n',
    );
  });

  it('that would go out unencrypted is warned about', async () => {
    const told = await runCli(['list', '--url', 'http://bots.example'], {});
    expect(told.stderr).toBe('Warning: the token goes to bots.example unencrypted. Use an https:// address.\n');
    expect(told.exitCode).toBe(0);
  });
});

describe('an orchestrator', () => {
  it('that cannot be reached ends with 4', async () => {
    expect(await runCli(['list'], { orchestrator: failing(connectionLost()) })).toEqual({
      exitCode: 4,
      stdout: '',
      stderr:
        'Error: The orchestrator at http://localhost:8000 cannot be reached (connection lost). ' +
        'Start it with "npm start", or set AVTOMATIKA_URL or --url to its address.\n',
    });
  });

  it.each<[Code, number]>([
    [Code.DeadlineExceeded, 4],
    [Code.Unknown, 4],
    [Code.Unimplemented, 4],
    [Code.Internal, 4],
    [Code.Unauthenticated, 5],
    [Code.PermissionDenied, 5],
  ])('that answers with bare code %i, as other servers do, ends with %i and one line', async (code, exitCode) => {
    const told = await runCli(['list'], { orchestrator: failing(new ConnectError('x', code)) });
    expect(told.exitCode).toBe(exitCode);
    expect(told.stderr).toMatch(/^Error.*: .*http:\/\/localhost:8000.*\n$/);
  });
});

it('a bug is reported as one, with its stack only when asked for', async () => {
  const orchestrator = new FakeOrchestrator();
  Object.defineProperty(orchestrator, 'routes', {
    get: () => {
      throw new TypeError('oops');
    },
  });
  const told = await runCli(['list'], { orchestrator });
  expect(told).toEqual({
    exitCode: 1,
    stdout: '',
    stderr:
      'Error INTERNAL: Bug in avtomatika-bot: TypeError: oops. Please report it, with the output of the same command with -v.\n',
  });
  expect((await runCli(['list', '-v'], { orchestrator })).stderr).toContain('run-cli.ts');
});
