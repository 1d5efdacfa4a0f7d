/** A former release, checked out in a folder of its own, whose programs can be started. */
import { type ChildProcess, spawn } from 'node:child_process';
import { openSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { checkoutPath } from '../process/checkout.ts';
import { run } from '../process/run.ts';

export interface ReleaseProgram {
  readonly child: ChildProcess;
  /** Ends it as a crash does, and waits until it is gone. */
  kill(): Promise<void>;
}

export interface Release {
  readonly dir: string;
  start(name: 'orchestrator' | 'worker', env: Readonly<Record<string, string>>, logFile: string): ReleaseProgram;
  close(): Promise<void>;
}

async function git(...args: readonly string[]): Promise<void> {
  const { code, output } = await run('git', args);
  if (code !== 0) throw new Error(`git ${args.join(' ')} failed: ${output}`);
}

export async function openRelease(commit: string, dir: string): Promise<Release> {
  await git('worktree', 'add', '--detach', dir, commit);
  const lock = (folder: string) => readFileSync(join(folder, 'package-lock.json'), 'utf8');
  if (lock(dir) === lock(checkoutPath())) symlinkSync(checkoutPath('node_modules'), join(dir, 'node_modules'));
  else {
    const { code, output } = await run('npm', ['ci', '--prefix', dir]);
    if (code !== 0) throw new Error(`npm ci failed: ${output}`);
  }
  return {
    dir,
    start(name, env, logFile) {
      const log = openSync(logFile, 'a', 0o600);
      const child = spawn(process.execPath, [join(dir, name, 'main.ts')], {
        cwd: dir,
        env: { PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '', LOG_LEVEL: 'info', ...env },
        stdio: ['ignore', log, log],
      });
      const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
      return {
        child,
        kill() {
          child.kill('SIGKILL');
          return ended;
        },
      };
    },
    close: () => git('worktree', 'remove', '--force', dir),
  };
}
