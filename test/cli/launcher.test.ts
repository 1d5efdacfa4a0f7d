/** The program as people start it: cli/bin/avtomatika-bot.js as a child process, under the system's own Node.js. */
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

  it('keeps the environment of a bot away from the Node.js that runs the program', async () => {
    const folder = await tempFolder({ 'bot.env': 'NODE_OPTIONS=--require=/nowhere/to/be/found.cjs\n' });
    const words = ['start', 'b', '--image', 'x', '--env-file', join(folder, 'bot.env')];
    expect(await finish(systemNode, ['--', launcher, ...words])).toMatchObject({
      exitCode: 5,
      stderr: expect.stringContaining('No token is set.'),
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
    await cp(launcher, join(folder, 'avtomatika-bot.js'));
    const told = await finish(systemNode, [join(folder, 'avtomatika-bot.js'), 'list']);
    expect(told).toMatchObject({ exitCode: 1, stdout: '' });
    expect(told.stderr).toMatch(/^Error: avtomatika-bot needs Node\.js 24 or newer, and this is [^\n]+\n$/);
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
