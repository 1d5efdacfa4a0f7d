/** The set-up, run for real in a small checkout with a stand-in for npm. */
import { type ChildProcess, spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { checkoutPath } from '../process/checkout.ts';

// Several programs of Node's each, on a machine with much else to do.
vi.setConfig({ testTimeout: 90_000 });

const lock = { packages: { '': { devDependencies: { node: '24.0.0' } }, 'node_modules/node': { version: '24.0.0' } } };

/** Does what npm does as far as the set-up sees it: notes that it ran, then puts Node and the record in place. */
const npm = `#!/bin/sh
echo "$*" >> npm-calls
mkdir npm-at-work || echo overlap >> npm-calls
case "$NPM_DOES:$1" in
  wait:*) n=0; while [ ! -e go ] && [ $n -lt 1200 ]; do n=$((n+1)); sleep 0.05; done ;;
  refuse-lock:ci) rmdir npm-at-work; echo 'npm error code EUSAGE' >&2; echo 'npm error not in sync' >&2; exit 1 ;;
  offline:*) rmdir npm-at-work; echo 'npm error code ENOTFOUND' >&2; exit 1 ;;
esac
mkdir -p node_modules/.bin
[ "$NPM_DOES" = no-node ] || ln -sf '${process.execPath}' node_modules/.bin/node
cp package-lock.json node_modules/.package-lock.json
rmdir npm-at-work
`;

let root = '';
const started: ChildProcess[] = [];

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'botrunner-set-up-'));
  cpSync(checkoutPath('scripts', 'bootstrap.mjs'), join(root, 'scripts', 'bootstrap.mjs'));
  cpSync(checkoutPath('scripts', 'bootstrap'), join(root, 'scripts', 'bootstrap'), { recursive: true });
  write('package.json', JSON.stringify({ devDependencies: { node: '24.0.0' } }));
  write('package-lock.json', JSON.stringify(lock));
  mkdirSync(join(root, 'bin'));
  writeFileSync(join(root, 'bin', 'npm'), npm, { mode: 0o755 });
});

afterEach(() => {
  for (const child of started.splice(0)) child.kill('SIGKILL');
  rmSync(root, { recursive: true, force: true });
});

const write = (name: string, text: string) => writeFileSync(join(root, name), text);
const read = (name: string) => (existsSync(join(root, name)) ? readFileSync(join(root, name), 'utf8') : '');
const npmCalls = () => read('npm-calls').split('\n').filter(Boolean);

/** node_modules as npm would have left it. */
function installed(): void {
  mkdirSync(join(root, 'node_modules', '.bin'), { recursive: true });
  symlinkSync(process.execPath, join(root, 'node_modules', '.bin', 'node'));
  write(join('node_modules', '.package-lock.json'), JSON.stringify(lock));
}

interface Running {
  readonly child: ChildProcess;
  readonly words: () => string;
  readonly code: Promise<number | null>;
}

function bootstrap(args: readonly string[] = [], npmDoes = 'install'): Running {
  const child = spawn(process.execPath, [join(root, 'scripts', 'bootstrap.mjs'), ...args], {
    env: { ...process.env, PATH: `${join(root, 'bin')}:${process.env['PATH']}`, NPM_DOES: npmDoes },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  started.push(child);
  let words = '';
  const keep = (text: string) => {
    words += text;
  };
  child.stdout.setEncoding('utf8').on('data', keep);
  child.stderr.setEncoding('utf8').on('data', keep);
  const code = new Promise<number | null>((resolve) => child.on('close', resolve));
  return { child, words: () => words, code };
}

/** Waits at most 30 s; says what it saw last. */
async function until(what: string, holds: () => boolean, seen: () => string): Promise<void> {
  const giveUpAt = performance.now() + 30_000;
  while (!holds()) {
    if (performance.now() > giveUpAt) throw new Error(`not seen within 30 s: ${what}; last seen:\n${seen()}`);
    await sleep(10);
  }
}

describe('the set-up', () => {
  it('leaves npm alone when everything is in place', async () => {
    installed();
    const run = bootstrap();
    expect(await run.code).toBe(0);
    expect(run.words()).toBe('');
    expect(npmCalls()).toEqual([]);
  });

  it('installs by npm ci when node_modules is missing, saying so in one line', async () => {
    const run = bootstrap();
    expect(await run.code).toBe(0);
    expect(run.words().trimEnd().split('\n')).toEqual([expect.stringContaining('installing the npm packages')]);
    expect(npmCalls()).toEqual([expect.stringMatching(/^ci --include=dev/)]);
  });

  it('installs when another version is in place than the lock says', async () => {
    installed();
    write(
      'node_modules/.package-lock.json',
      JSON.stringify({ packages: { 'node_modules/node': { version: '23.0.0' } } }),
    );
    expect(await bootstrap().code).toBe(0);
    expect(npmCalls()).toHaveLength(1);
  });

  it('installs when Node does not run, although npm noted it as installed', async () => {
    installed();
    rmSync(join(root, 'node_modules', '.bin', 'node'));
    expect(await bootstrap().code).toBe(0);
    expect(npmCalls()).toHaveLength(1);
  });

  it('continues with npm install when npm ci refuses the lock, and leaves the lock as it is', async () => {
    const run = bootstrap([], 'refuse-lock');
    expect(await run.code).toBe(0);
    expect(npmCalls()).toEqual([expect.stringMatching(/^ci /), expect.stringMatching(/^install --no-save /)]);
    expect(run.words()).not.toContain('EUSAGE');
  });

  it("shows npm's words and one line with the cure when npm fails, and does not try twice", async () => {
    const run = bootstrap(['scripts/never.ts'], 'offline');
    expect(await run.code).toBe(1);
    expect(run.words()).toContain('npm error code ENOTFOUND');
    expect(run.words().trimEnd().split('\n').at(-1)).toMatch(/^Cure: check that npm reaches its registry/);
    expect(npmCalls()).toHaveLength(1);
  });

  it('names the cure when the package of Node did not put its program in place', async () => {
    const run = bootstrap([], 'no-node');
    expect(await run.code).toBe(1);
    expect(run.words()).toContain('Cure: npm rebuild node');
  });

  it('does not install from a lock that package.json has left behind', async () => {
    write('package.json', JSON.stringify({ devDependencies: { node: '24.0.0', other: '1.0.0' } }));
    const run = bootstrap();
    expect(await run.code).toBe(1);
    expect(run.words()).toContain('disagree (other)');
    expect(npmCalls()).toEqual([]);
  });
});

describe('two set-ups at once', () => {
  it('install once, one after the other', async () => {
    const first = bootstrap([], 'wait');
    await until('npm at work', () => npmCalls().length === 1, first.words);
    const second = bootstrap([], 'install');
    await until('the second waits', () => second.words().includes('waiting for another set-up'), second.words);
    write('go', '');
    expect(await first.code).toBe(0);
    expect(await second.code).toBe(0);
    expect(npmCalls()).toHaveLength(1);
    expect(existsSync(join(root, '.data', 'set-up.lock'))).toBe(false);
  });

  it('wait for the npm of a set-up that was killed', async () => {
    const first = bootstrap([], 'wait');
    // It may begin before the set-up has noted whom to wait for.
    const holders = () => read(join('.data', 'set-up.lock')).split(' ');
    await until('npm at work', () => npmCalls().length === 1 && holders().length === 2, first.words);
    first.child.kill('SIGKILL');
    // Not its output: npm lives on and holds that open.
    await until('the first has ended', () => first.child.signalCode !== null, first.words);
    const others = [bootstrap(), bootstrap(), bootstrap()];
    for (const { words } of others) {
      await until('the others wait', () => words().includes('waiting for another set-up'), words);
    }
    expect(npmCalls()).toHaveLength(1);
    write('go', '');
    expect(await Promise.all(others.map(({ code }) => code))).toEqual([0, 0, 0]);
    expect(npmCalls()).not.toContain('overlap');
  });

  it('take over from a set-up that died with its npm', async () => {
    mkdirSync(join(root, '.data'));
    // No process has this id: the kernel gives out less (https://man7.org/linux/man-pages/man5/proc_sys_kernel.5.html).
    write('.data/set-up.lock', '4194305 4194306');
    const runs = [bootstrap(), bootstrap(), bootstrap()];
    expect(await Promise.all(runs.map(({ code }) => code))).toEqual([0, 0, 0]);
    expect(npmCalls()).toHaveLength(1);
  });

  it('let go of the lock when they are interrupted', async () => {
    const run = bootstrap([], 'wait');
    await until('npm at work', () => npmCalls().length === 1, run.words);
    run.child.kill('SIGINT');
    expect(await run.code).toBe(130);
    expect(run.words()).toContain('Set-up interrupted.');
    expect(existsSync(join(root, '.data', 'set-up.lock'))).toBe(false);
  });
});

describe('the script that follows', () => {
  beforeEach(installed);

  it('runs with the Node of node_modules first on PATH, its arguments and its exit code', async () => {
    write(
      'scripts/x.ts',
      'const n: number = 7; console.log(process.argv.slice(2), process.env.PATH); process.exit(n);',
    );
    const run = bootstrap(['scripts/x.ts', 'a', '--b']);
    expect(await run.code).toBe(7);
    expect(run.words()).toContain(`[ 'a', '--b' ] ${join(root, 'node_modules', '.bin')}:`);
  });

  it.each(['SIGINT', 'SIGTERM'] as const)('gets %s and decides how it ends', async (signal) => {
    write(
      'scripts/x.ts',
      `process.on('${signal}', () => process.exit(9)); setInterval(() => {}, 1000); console.log('up');`,
    );
    const run = bootstrap(['scripts/x.ts']);
    await until('the script is up', () => run.words().includes('up'), run.words);
    run.child.kill(signal);
    expect(await run.code).toBe(9);
  });

  it('ends as shells say it when a signal ended it', async () => {
    write('scripts/x.ts', "process.kill(process.pid, 'SIGTERM'); setInterval(() => {}, 1000);");
    expect(await bootstrap(['scripts/x.ts']).code).toBe(143);
  });
});
