/** `avtomatika-bot token`, against a real orchestrator over its real port. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '#common/clock.ts';
import { openClient } from '../../cli/calls/client.ts';
import { runCli } from '../../cli/testing/run-cli.ts';
import { startTestOrchestrator, type TestOrchestrator } from '../kit/orchestrator-for-tests.ts';

let orchestrator: TestOrchestrator;
beforeAll(async () => {
  orchestrator = await startTestOrchestrator();
});
afterAll(() => orchestrator[Symbol.asyncDispose]());

const run = (words: readonly string[], token = 'test-admin-token') => {
  const env = { AVTOMATIKA_URL: orchestrator.url, AVTOMATIKA_TOKEN: token };
  return runCli(words, { openClient, clock: systemClock, env });
};

describe('token add', () => {
  it('prints the new token alone on stdout, once, and everything else on stderr', async () => {
    const told = await run(['token', 'add', '--user', 'ann', '--name', 'laptop']);
    expect(told.exitCode).toBe(0);
    expect(told.stdout).toMatch(/^bot_[\w-]{43}\n$/);
    expect(told.stderr).toBe('The token laptop of ann has the scope client. Save it now: it is not shown again.\n');
    const value = told.stdout.trim();
    expect(await run(['list'], value)).toMatchObject({ exitCode: 0, stdout: 'No bots. Limit: 0/3\n' });
    const all = await run(['token', 'list', '--json', '-v']);
    expect(all.stdout).toContain('"ann"');
    expect(all.stdout).not.toContain(value);
  });

  it('takes the admin token by --token, and prints one JSON object with --json', async () => {
    const words = ['token', 'add', '--user', 'ops', '--name', 'host-2', '--scope', 'worker', '--json'];
    const told = await run([...words, '--token', 'test-admin-token'], 'not-a-token');
    expect(told).toMatchObject({ exitCode: 0, stderr: '' });
    expect(JSON.parse(told.stdout)).toEqual({
      user_id: 'ops',
      name: 'host-2',
      scope: 'worker',
      created_at: expect.stringMatching(/^\d{4}-.*Z$/),
      configured: false,
      value: expect.stringMatching(/^bot_[\w-]{43}$/),
    });
  });

  it.each<[string, readonly string[], string]>([
    [
      'no user',
      ['--name', 'a'],
      'Error: token add needs --user. Write: avtomatika-bot token add --user USER --name NAME\n',
    ],
    [
      'no name',
      ['--user', 'ann'],
      'Error: token add needs --name. Write: avtomatika-bot token add --user USER --name NAME\n',
    ],
    [
      'another scope',
      ['--user', 'ann', '--name', 'a', '--scope', 'boss'],
      'Error INVALID_SCOPE: Unknown scope. Use client, admin, worker.\n',
    ],
    [
      'a mistyped scope',
      ['--user', 'ann', '--name', 'a', '--scope', 'cleint'],
      'Error INVALID_SCOPE: Unknown scope. Did you mean client?\n',
    ],
  ])('with %s is a usage error with its cure', async (_name, words, stderr) => {
    expect(await run(['token', 'add', ...words])).toEqual({ exitCode: 2, stdout: '', stderr });
  });

  it.each<[string, readonly string[], RegExp]>([
    [
      'a bad user',
      ['--user', 'Ann', '--name', 'a'],
      /^Error INVALID_USER_ID: .*\n {2}Hint: Use 1 to 32 lower-case .*\n {2}Example: avtomatika-bot token add /,
    ],
    [
      'a bad name',
      ['--user', 'ann', '--name', 'a b'],
      /^Error INVALID_TOKEN_NAME: .*\n {2}Hint: .*\n {2}Example: avtomatika-bot token add /,
    ],
    [
      'a name that is taken',
      ['--user', 'dev', '--name', 'CLIENT_TOKEN'],
      /^Error CONFLICTING_FIELDS: The user dev already has .*\n {2}Hint: Choose another name/,
    ],
  ])('with %s is refused by the orchestrator, with code, hint and example', async (_name, words, stderr) => {
    const told = await run(['token', 'add', ...words]);
    expect(told).toMatchObject({ exitCode: 1, stdout: '' });
    expect(told.stderr).toMatch(stderr);
  });
});

describe('token list', () => {
  it('names user, scope and maker of each token, and shows no value', async () => {
    await run(['token', 'add', '--user', 'zoe', '--name', 'phone']);
    const { exitCode, stdout, stderr } = await run(['token', 'list']);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    expect(stdout).toMatch(/^USER +NAME +SCOPE +MADE +MADE BY\n/);
    expect(stdout).toMatch(/^admin +ADMIN_TOKEN +admin +\S+Z +settings$/m);
    expect(stdout).toMatch(/^dev +CLIENT_TOKEN +client +\S+Z +settings$/m);
    expect(stdout).toMatch(/^worker +WORKER_TOKEN +worker +\S+Z +settings$/m);
    expect(stdout).toMatch(/^zoe +phone +client +\S+Z +admin$/m);
    expect(stdout).not.toMatch(/bot_|test-/);
  });
});

describe('token revoke', () => {
  it('makes the token useless at once, and differs from one that is not there', async () => {
    const value = (await run(['token', 'add', '--user', 'bob', '--name', 'old'])).stdout.trim();
    const words = ['token', 'revoke', '--user', 'bob', '--name', 'old'];
    expect(await run(words)).toEqual({ exitCode: 0, stdout: 'The token old of bob is revoked.\n', stderr: '' });
    expect(await run(['list'], value)).toMatchObject({ exitCode: 5, stdout: '' });
    const again = await run(words);
    expect(again).toMatchObject({ exitCode: 1, stdout: '' });
    expect(again.stderr).toMatch(
      /^Error TOKEN_NOT_FOUND: .*\n {2}Hint: See the tokens with: avtomatika-bot token list\n/,
    );
    await run(['token', 'add', '--user', 'bob', '--name', 'old']);
    expect(JSON.parse((await run([...words, '--json'])).stdout)).toEqual({
      status: 'revoked',
      user_id: 'bob',
      name: 'old',
    });
  });

  it('leaves the tokens of the settings to the settings', async () => {
    const told = await run(['token', 'revoke', '--user', 'dev', '--name', 'CLIENT_TOKEN']);
    expect(told).toMatchObject({ exitCode: 5, stdout: '' });
    expect(told.stderr).toContain('Hint: Change CLIENT_TOKEN there and restart the orchestrator.');
  });
});

it.each([
  [['token', 'add', '--user', 'ann', '--name', 'x']],
  [['token', 'list']],
  [['token', 'revoke', '--user', 'dev', '--name', 'CLIENT_TOKEN']],
])('%j with a client token ends with 5 and says which token it takes', async (words) => {
  const told = await run(words, 'test-client-token');
  expect(told).toMatchObject({ exitCode: 5, stdout: '' });
  expect(told.stderr).toMatch(/^Error PERMISSION_DENIED: This call needs an admin token; this is a client token\.\n/);
  expect(told.stderr).toContain('an admin token to manage tokens');
});
