/**
 * A lock between processes of one machine, held by the kernel for a small `flock` program whose input we keep open: it is
 * free again when we let go, and also when we are killed. A lock made of a file's existence would stay behind then.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';

/** Runs `work` while no other process runs its own under the same path. Rejects after `timeoutMs` without the lock. */
export async function withFileLock<T>(path: string, timeoutMs: number, work: () => Promise<T>): Promise<T> {
  const holder = spawn(
    'flock',
    ['--exclusive', '--timeout', String(Math.ceil(timeoutMs / 1000)), path, 'sh', '-c', 'echo held; exec cat'],
    { stdio: ['pipe', 'pipe', 'ignore'] },
  );
  const ended = once(holder, 'exit');
  const held = await Promise.race([once(holder.stdout, 'data').then(() => true), ended.then(() => false)]);
  if (!held) throw new Error(`another run holds ${path}; waited ${timeoutMs} ms for it`);
  try {
    return await work();
  } finally {
    holder.stdin.end();
    await ended;
  }
}
