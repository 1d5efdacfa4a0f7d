/** The program as people start it: cli/bin/avtomatika-bot.js as a child process, run by the system's Node.js or directly. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdir, readdir, readFile, symlink } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { goodToken, logLines } from '../../cli/testing/fake-orchestrator.ts';
import { tempFolder } from '../../cli/testing/temp-folder.ts';
import { eventually } from '../kit/eventually.ts';
import { startFakeServer } from './fake-server.ts';

const root = resolve(import.meta.dirname, '../..');
const launcher = join(root, 'cli/bin/avtomatika-bot.js');
const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string };

// Where the system has a Node.js of its own it is most likely an older one, which is what the launcher is for.
const systemNode = ['/usr/bin/node', '/usr/local/bin/node'].find((path) => existsSync(path)) ?? process.execPath;
const systemMajor = Number.parseInt(
  execFileSync(systemNode, ['-p', 'process.versions.node'], { encoding: 'utf8' }),
  10,
);

interface Running {
  readonly child: ChildProcess;
  readonly stdout: () => string;
  readonly stderr: () => string;
  readonly ended: Promise<number | NodeJS.Signals | null>;
}

function start(file: string, args: readonly string[], env: Record<string, string> = {}): Running {
  const child = spawn(file, args, { env: { PATH: '/usr/bin:/bin', ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const ended = new Promise<number | NodeJS.Signals | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve(code ?? signal));
  });
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  return { child, stdout: () => stdout, stderr: () => stderr, ended };
}

async function finish(file: string, args: readonly string[], env: Record<string, string> = {}) {
  const running = start(file, args, env);
  const exitCode = await running.ended;
  return { exitCode, stdout: running.stdout(), stderr: running.stderr() };
}

describe('the launcher', () => {
  it(`runs under Node.js ${systemMajor} and passes output and exit code on`, async () => {
    expect(await finish(systemNode, [launcher, '--version'])).toEqual({
      exitCode: 0,
      stdout: `${version}\n`,
      stderr: '',
    });
    expect(await finish(systemNode, [launcher, 'lst'])).toMatchObject({
      exitCode: 2,
      stdout: '',
      stderr: 'Error: There is no command "lst". Did you mean list?\n',
    });
  });

  describe('run by its name, as people do', () => {
    const env = { PATH: `${join(systemNode, '..')}:/usr/bin:/bin` };
    const byName = (words: readonly string[], more: Record<string, string> = {}) =>
      finish(launcher, words, { ...env, ...more });

    it.each(['apart', 'joined'])(
      'gives a NODE_OPTIONS of --env-file to the bot, and does not obey it: %s',
      async (form) => {
        const { orchestrator, url } = await startFakeServer();
        const folder = await tempFolder({ 'bot.env': 'NODE_OPTIONS=--require=@x/y\nA=1\n' });
        const file = join(folder, 'bot.env');
        const words = [
          'start',
          'b',
          '--image',
          'x',
          ...(form === 'apart' ? ['--env-file', file] : [`--env-file=${file}`]),
        ];
        const told = await byName(words, { AVTOMATIKA_URL: url, AVTOMATIKA_TOKEN: goodToken });
        expect(told).toMatchObject({ exitCode: 0, stderr: '' });
        expect(orchestrator.starts[0]?.spec?.env).toEqual({ NODE_OPTIONS: '--require=@x/y', A: '1' });
      },
    );

    it('says itself that there is no such --env-file', async () => {
      expect(await byName(['start', 'b', '--image', 'x', '--env-file', 'nope.env'])).toEqual({
        exitCode: 1,
        stdout: '',
        stderr: 'Error: There is no file or folder nope.env. Check the name and the current folder.\n',
      });
    });

    it('takes an --env-file whose name begins with a dash, and what a shell hands in as a pipe', async () => {
      const { orchestrator, url } = await startFakeServer();
      const folder = await tempFolder({ '-bot.env': 'A=1\n', 'bot.py': 'print(1)' });
      const more = { AVTOMATIKA_URL: url, AVTOMATIKA_TOKEN: goodToken };
      const script = `cd "$1"; exec "$0" start b --env-file=-bot.env --env-file <(echo B=2) --simple bot.py`;
      const told = await finish('/bin/bash', ['-c', script, launcher, folder], { ...env, ...more });
      expect(told).toMatchObject({ exitCode: 0 });
      expect(orchestrator.starts[0]?.spec?.env).toEqual({ A: '1', B: '2' });
    });

    it.each([
      '--env-file-if-exists=x',
      '--require=x',
      '--import=x',
      '--eval=x',
      '--inspect',
      '--watch',
      '--run=x',
      '--test',
      '--snapshot-blob=x',
    ])('has no %s, which is an option of Node.js', async (option) => {
      const told = await byName(['list', option]);
      expect(told).toMatchObject({ exitCode: 2, stdout: '' });
      expect(told.stderr).toMatch(/^Error: There is no option "--[^\n]+\n$/);
    });

    it.each(['-e!', '-r!', '-p', '-c', '-i'])('takes %s as its own option or none', async (word) => {
      const told = await byName(['list', word]);
      expect(told).toMatchObject({ exitCode: 2, stdout: '' });
      expect(told.stderr).toMatch(/^Error: [^\n]+ has no option[^\n]+\n$|^Error: There is no option[^\n]+\n$/);
    });
  });

  it('is executable, also through a link, as package managers install it', async () => {
    const folder = await tempFolder();
    await symlink(launcher, join(folder, 'avtomatika-bot'));
    const env = { PATH: `${join(systemNode, '..')}:/usr/bin:/bin` };
    expect(await finish(join(folder, 'avtomatika-bot'), ['--version'], env)).toMatchObject({ stdout: `${version}\n` });
  });

  it('says in one line what to do when no Node.js will do', async ({ skip }) => {
    if (systemMajor >= 24) skip(`the Node.js of this system (${systemMajor}) is new enough for everything`);
    const folder = await tempFolder({ 'package.json': '{"type":"module"}' });
    await cp(join(root, 'cli/bin'), folder, { recursive: true });
    const told = await finish(systemNode, [join(folder, 'avtomatika-bot.js'), 'list']);
    expect(told).toMatchObject({ exitCode: 1, stdout: '' });
    expect(told.stderr).toMatch(
      /^Error: avtomatika-bot from the sources needs Node\.js 24 or newer, and this is [^\n]+\n$/,
    );
  });

  it('works when the package is installed under node_modules', async () => {
    const folder = await tempFolder();
    const installed = join(folder, 'node_modules', 'avtomatika-bot-runner');
    await mkdir(installed, { recursive: true });
    for (const part of ['cli', 'common', 'gen', 'package.json']) {
      await cp(join(root, part), join(installed, part), { recursive: true });
    }
    for (const name of await readdir(join(root, 'node_modules'))) {
      if (!name.startsWith('.')) await symlink(join(root, 'node_modules', name), join(folder, 'node_modules', name));
    }
    const bin = join(installed, 'cli/bin/avtomatika-bot.js');
    expect(await finish(systemNode, [bin, '--version'])).toEqual({ exitCode: 0, stdout: `${version}\n`, stderr: '' });
    expect(await finish(systemNode, [bin, 'list'])).toMatchObject({ exitCode: 5, stdout: '' });
  });

  it.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
    'passes %s on and ends with 130, leaving nothing behind',
    async (signal) => {
      const { orchestrator, url } = await startFakeServer();
      orchestrator.addBot({ botId: 'b' });
      orchestrator.logScripts.push([{ lines: logLines(['hello']) }, 'silence']);
      const env = { AVTOMATIKA_URL: url, AVTOMATIKA_TOKEN: goodToken };
      const running = start(systemNode, [launcher, 'logs', 'b', '-f'], env);
      await eventually(
        'the line is shown',
        () => running.stdout() + running.stderr(),
        (text) => text === 'hello\n',
        { timeoutMs: 15_000 },
      );
      running.child.kill(signal);
      expect(await running.ended).toBe(130);
      expect(running.stderr()).toBe('');
    },
  );

  it('ends quietly when its reader has enough', async () => {
    const { orchestrator, url } = await startFakeServer();
    orchestrator.addBot({ botId: 'b' });
    const many = Array.from({ length: 2000 }, (_, index) => `line ${index} ${'x'.repeat(200)}`);
    orchestrator.logScripts.push([{ lines: logLines(many) }, 'silence']);
    const env = { AVTOMATIKA_URL: url, AVTOMATIKA_TOKEN: goodToken };
    const command = '"$0" "$1" logs b -f | head -n 1';
    const told = await finish('/bin/sh', ['-c', command, systemNode, launcher], env);
    expect(told).toMatchObject({ exitCode: 0, stderr: '' });
    expect(told.stdout).toMatch(/^line 0 x+\n$/);
  });
});
