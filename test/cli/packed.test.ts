/** `npm run pack:cli`: the tarball, installed globally, under each Node.js that it is for, against real programs. */
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import commandSpecs from '../../cli/command-specs.json' with { type: 'json' };
import { version } from '../../common/version.ts';
import { eventually } from '../kit/eventually.ts';
import { findNode, installGlobally, packCli, pathWithNode } from '../kit/packed-cli/packed-cli.ts';
import { startTestPlatform, type TestPlatform } from '../kit/platform-for-tests.ts';

const longMs = 240_000;
let folder: string;
let tarball: string;
let program: string;
let platform: TestPlatform;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'packed-'));
  [tarball, platform] = await Promise.all([
    packCli(join(folder, 'dist')),
    startTestPlatform({ RUNTIME: 'process', MAX_BOTS_PER_USER: '20' }),
  ]);
  program = await installGlobally(tarball, join(folder, 'prefix'));
}, longMs);
afterAll(async () => {
  await platform?.[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
}, longMs);

interface Told {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the program by its name alone, as people do. `end` ends it with SIGINT once its output is as wanted. */
function run(path: string, words: readonly string[], env: Record<string, string> = {}, end?: RegExp): Promise<Told> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, words, {
      env: { PATH: path, HOME: folder, AVTOMATIKA_URL: platform.url, AVTOMATIKA_TOKEN: 'test-client-token', ...env },
      cwd: folder,
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 60_000,
    });
    const told = { stdout: '', stderr: '' };
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      told.stdout += text;
      if (end?.test(told.stdout)) child.kill('SIGINT');
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      told.stderr += text;
    });
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, ...told }));
  });
}

describe('the tarball', () => {
  const names = () => execFileSync('tar', ['tzf', tarball], { encoding: 'utf8' }).trim().split('\n');

  it('holds plain JavaScript and nothing else: no tests, no TypeScript, no packages', () => {
    for (const name of names()) {
      expect(name).toMatch(/^package\/(bin\/avtomatika-bot\.js|lib\/[\w-]+\.js|package\.json|[A-Z-]+(\.md)?)$/);
      expect(name).not.toMatch(/test|fake/i);
    }
    expect(names()).toEqual(expect.arrayContaining(['package/LICENSE', 'package/THIRD-PARTY-NOTICES.md']));
  });

  it('is small, and has nothing to install besides', () => {
    expect(statSync(tarball).size).toBeLessThan(200_000);
    const manifest: object = JSON.parse(
      execFileSync('tar', ['xzOf', tarball, 'package/package.json'], { encoding: 'utf8' }),
    );
    expect(manifest).toMatchObject({ name: 'avtomatika-bot', version, engines: { node: '>=20' } });
    expect(Object.keys(manifest)).not.toEqual(expect.arrayContaining(['dependencies']));
  });
});

it('a tarball of the whole project has no test files, and says that it needs Node.js 24', () => {
  const [packed] = JSON.parse(
    execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], { encoding: 'utf8' }),
  ) as [{ files: { path: string }[] }];
  const paths = packed.files.map(({ path }) => path);
  expect(paths).toEqual(expect.arrayContaining(['cli/main.ts', 'orchestrator/main.ts', 'worker/main.ts']));
  expect(paths.filter((path) => /\.test\.|\/testing\/|\/fake\/|^(test|scripts|bench)\//.test(path))).toEqual([]);
  expect(JSON.parse(readFileSync('package.json', 'utf8'))).toMatchObject({ engines: { node: '>=24' } });
});

it('says in one line that there is no Node.js', async () => {
  const told = await run(join(folder, 'nowhere'), ['list']);
  expect(told).toEqual({
    code: 127,
    stdout: '',
    stderr: 'Error: avtomatika-bot needs Node.js 20 or newer, and there is no node in PATH.\n',
  });
});

describe.each([20, 22, 24])('under Node.js %i', (major) => {
  let path: string | undefined;
  beforeAll(async () => {
    const node = await findNode(major, join(folder, `node-${major}`));
    if (node !== undefined) path = pathWithNode(node, join(folder, `path-${major}`));
  }, longMs);
  const bot = `packed-${major}`;
  const cli = (words: readonly string[], env?: Record<string, string>, end?: RegExp) =>
    run(path ?? '', words, env, end);
  const admin = { AVTOMATIKA_TOKEN: 'test-admin-token' };
  const good = { code: 0, stderr: expect.not.stringMatching(/warning|error/i) };

  it('says its version, its help and its mistakes', { timeout: longMs }, async ({ skip }) => {
    if (path === undefined) skip(`npm brings no Node.js ${major} here`);
    expect(await cli(['--version'])).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' });
    expect(await cli([])).toMatchObject({ code: 2, stderr: expect.stringContaining('No command was given.') });
    expect(await cli(['list'], { AVTOMATIKA_TOKEN: 'wrong' })).toMatchObject({ code: 5, stdout: '' });
    expect(await cli(['list'], { AVTOMATIKA_URL: 'http://127.0.0.1:1' })).toMatchObject({ code: 4, stdout: '' });
    for (const { name } of commandSpecs) {
      const told = await cli([...name.split(' '), '--help']);
      expect(told).toMatchObject({ code: 0, stderr: '' });
      expect(told.stdout).toContain(`Usage: avtomatika-bot ${name}`);
    }
  });

  it.for(['.gitignore', '.dockerignore'])(
    'takes of a folder what its %s leaves',
    { timeout: longMs },
    async (rules, { skip }) => {
      if (path === undefined) skip(`npm brings no Node.js ${major} here`);
      const source = `source-${major}${rules}`;
      const patterns =
        rules === '.gitignore' ? '*.log\n!kept.log\n/only-here/\n' : '**/*.log\n!**/kept.log\nonly-here\n';
      const files = {
        [rules]: patterns,
        'index.mjs':
          'import { readdirSync } from "node:fs";\nconsole.log("has " + readdirSync(".", { recursive: true }).sort());\nsetInterval(() => {}, 1e6);\n',
        'a.log': '',
        'kept.log': '',
        'deep/b.log': '',
        'deep/c.txt': '',
        'only-here/d.txt': '',
        'deep/only-here/e.txt': '',
      };
      for (const [name, content] of Object.entries(files)) {
        mkdirSync(dirname(join(folder, source, name)), { recursive: true });
        writeFileSync(join(folder, source, name), content);
      }
      const name = `folder-${major}${rules.replace('.', '-')}`;
      const started = await cli(['start', name, '--simple', source]);
      expect(started).toMatchObject({ code: 0, stderr: expect.stringMatching(/Left out: .*a\.log/) });
      await eventually(
        'the files are listed',
        () => cli(['logs', name, '-n', '10']),
        ({ stdout }) => stdout.includes('has deep,deep/c.txt,deep/only-here,deep/only-here/e.txt,index.mjs,kept.log\n'),
        { timeoutMs: 60_000 },
      );
      expect(await cli(['delete', name, '--yes'])).toMatchObject({ code: 0 });
    },
  );

  it(`does what ${major === 20 ? 'every command says' : 'start, logs, list and delete say'}`, {
    timeout: longMs,
  }, async ({ skip }) => {
    if (path === undefined) skip(`npm brings no Node.js ${major} here`);
    writeFileSync(
      join(folder, `${bot}.mjs`),
      'console.log("env " + process.env.NODE_OPTIONS); setInterval(() => {}, 1e6);\n',
    );
    writeFileSync(join(folder, 'bot.env'), 'NODE_OPTIONS=--no-deprecation\n');
    const simple = ['--simple', `${bot}.mjs`];
    expect(await cli(['start', bot, ...simple, '--env-file', 'bot.env'])).toMatchObject(good);
    await eventually(
      'the log is there',
      () => cli(['logs', bot, '-n', '10']),
      ({ stdout }) => stdout.includes('env --no-deprecation'),
      { timeoutMs: 60_000 },
    );
    expect(await cli(['list'])).toMatchObject({
      ...good,
      stdout: expect.stringMatching(new RegExp(`^${bot} +running`, 'm')),
    });
    if (major > 20) {
      // The oldest is where something may be missing; here it is enough that all that loads code in another way works.
      expect(await cli(['delete', bot, '--yes'])).toMatchObject(good);
      return;
    }
    expect(await cli(['status', bot])).toMatchObject(good);
    expect(await cli(['logs', bot, '-f'], {}, /env --no-deprecation\n/)).toMatchObject({ code: 130 });
    const accepted = await cli([
      'update',
      bot,
      '--code',
      'setInterval(() => {}, 1e6)',
      '--runtime',
      'node',
      '--no-wait',
      '--json',
    ]);
    const { job_id: job } = JSON.parse(accepted.stdout) as { job_id: string };
    await eventually(
      'the update is done',
      () => cli(['job', job]),
      ({ stdout }) => /Status +completed/.test(stdout),
      { timeoutMs: 60_000 },
    );
    expect(await cli(['cancel', job])).toMatchObject({ code: 1 });
    for (const words of [['restart', bot], ['events'], ['stop', bot], ['delete', bot, '--yes']]) {
      expect({ words, ...(await cli(words)) }).toMatchObject({ words, ...good });
    }
    const user = ['--user', 'ann', '--name', `laptop-${major}`];
    const workers = JSON.parse((await cli(['worker', 'list', '--json'], admin)).stdout) as {
      workers: { worker_id: string }[];
    };
    const worker = workers.workers[0]?.worker_id ?? '';
    for (const words of [
      ['token', 'add', ...user],
      ['token', 'list'],
      ['token', 'revoke', ...user],
      ['worker', 'cordon', worker],
      ['worker', 'uncordon', worker],
      ['worker', 'drain', worker],
      ['worker', 'uncordon', worker],
    ]) {
      expect({ words, ...(await cli(words, admin)) }).toMatchObject({ words, ...good });
    }
  });
});
