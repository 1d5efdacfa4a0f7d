/** Two users on one platform, each with a token the admin made for it: neither sees anything of the other. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../kit/eventually.ts';
import { startTestPlatform, type TestPlatform } from '../kit/platform-for-tests.ts';

const longMs = 120_000;

describe('two users', { timeout: longMs }, () => {
  let platform: TestPlatform;
  let dir: string;
  beforeAll(async () => {
    platform = await startTestPlatform({ RUNTIME: 'process' });
    dir = mkdtempSync(join(tmpdir(), 'two-users-'));
    writeFileSync(join(dir, 'bot.mjs'), 'console.log(`I am of ${process.env.OWNER}`); setInterval(() => {}, 1000);\n');
  }, longMs);
  afterAll(async () => {
    await platform?.[Symbol.asyncDispose]();
    if (dir) rmSync(dir, { recursive: true });
  }, longMs);

  const newUser = async (user: string) => {
    const words = ['--token', 'test-admin-token', 'token', 'add', '--user', user, '--name', 'laptop'];
    const { code, stdout, stderr } = await platform.cli(words);
    expect({ user, code, stderr }).toMatchObject({ code: 0, stderr: expect.stringContaining(`laptop of ${user}`) });
    const token = stdout.trim();
    return (...args: string[]) => platform.cli(['--token', token, ...args]);
  };

  it('hostile 113, 114: have a bot of one name each; another’s bot, job and log are "not found"', async () => {
    const [ann, bob] = [await newUser('ann'), await newUser('bob')];
    const file = join(dir, 'bot.mjs');
    const started = await ann('start', 'same', '-e', 'OWNER=ann', '--simple', file, '--json');
    expect(started).toMatchObject({ code: 0 });
    const jobId: string = JSON.parse(started.stdout).job_id;
    expect(jobId).toMatch(/^[0-9A-Z]{26}$/);
    expect((await ann('job', jobId)).code).toBe(0);

    for (const words of [
      ['status', 'same'],
      ['logs', 'same'],
      ['stop', 'same'],
      ['restart', 'same'],
      ['delete', 'same', '-y'],
    ]) {
      const told = await bob(...words);
      expect({ words, ...told }).toMatchObject({ code: 1, stdout: '' });
      expect(told.stderr).toMatch(/^Error BOT_NOT_FOUND: There is no bot named same\./);
    }
    for (const words of [
      ['job', jobId],
      ['cancel', jobId],
    ]) {
      const told = await bob(...words);
      expect({ words, ...told }).toMatchObject({ code: 1, stdout: '' });
      expect(told.stderr).toMatch(/^Error JOB_NOT_FOUND: /);
    }
    expect((await bob('list')).stdout).toBe('No bots. Limit: 0/3\n');

    expect(await bob('start', 'same', '-e', 'OWNER=bob', '--simple', file)).toMatchObject({ code: 0 });
    const logHas = (user: typeof ann, text: string) =>
      eventually(
        `the log says "${text}"`,
        () => user('logs', 'same'),
        ({ stdout }) => stdout.includes(text),
        { timeoutMs: 30_000 },
      );
    expect((await logHas(ann, 'I am of ann')).stdout).not.toMatch(/bob/);
    expect((await logHas(bob, 'I am of bob')).stdout).not.toMatch(/ann/);
    expect(await bob('stop', 'same')).toMatchObject({ code: 0 });
    expect(JSON.parse((await ann('status', 'same', '--json')).stdout)).toMatchObject({ status: 'running' });
    expect(await ann('stop', 'same')).toMatchObject({ code: 0 });
  });

  it('are created with a token, and lose nothing but the access when it is revoked', async () => {
    const cleo = await newUser('cleo');
    expect(await cleo('list')).toMatchObject({ code: 0 });
    const admin = (...args: string[]) => platform.cli(['--token', 'test-admin-token', ...args]);
    expect((await admin('token', 'list')).stdout).toMatch(/^cleo +laptop +client /m);
    expect((await admin('token', 'revoke', '--user', 'cleo', '--name', 'laptop')).code).toBe(0);
    expect(await cleo('list')).toMatchObject({ code: 5, stdout: '' });
    expect((await admin('list')).code).toBe(5);
  });
});
