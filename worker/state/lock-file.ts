/**
 * One program per folder: a lock file that names its owner by pid and start time.
 * A lock whose owner is gone is taken over; pid alone would not do, since pids are used again.
 */
import { randomBytes } from 'node:crypto';
import { link, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { isErrno, readFileIfAny } from './atomic-file.ts';

interface Owner {
  readonly pid: number;
  /** Clock ticks since boot, from /proc; empty where there is no /proc. */
  readonly startTime: string;
  /** Tells two holders within one process apart. */
  readonly nonce: string;
}

export class LockHeldError extends Error {
  readonly pid: number;
  constructor(path: string, pid: number) {
    super(`${path} is held by the running process ${pid}: end it, or set DATA_DIR to another folder`);
    this.pid = pid;
    this.name = 'LockHeldError';
  }
}

/** Takes the lock or throws LockHeldError. The returned function gives it back. */
export async function takeLock(path: string): Promise<() => Promise<void>> {
  const mine: Owner = {
    pid: process.pid,
    startTime: (await startTimeOf(process.pid)) ?? '',
    nonce: randomBytes(8).toString('hex'),
  };
  const prepared = `${path}.${mine.nonce}`;
  await writeFile(prepared, JSON.stringify(mine), { mode: 0o600, flag: 'wx' });
  try {
    // Each round either wins, meets a living owner, or moves one dead lock away.
    for (let round = 0; round < 10; round += 1) {
      // link fails if the name exists: of two programs exactly one wins.
      if (await tryLink(prepared, path)) return () => releaseLock(path, mine);
      await moveDeadLockAway(path);
    }
    throw new Error(`${path} could not be taken: its owner changes all the time`);
  } finally {
    await rm(prepared, { force: true });
  }
}

async function tryLink(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if (isErrno(error, 'EEXIST')) return false;
    throw error;
  }
}

async function moveDeadLockAway(path: string): Promise<void> {
  const seen = await readFileIfAny(path);
  if (seen === undefined) return;
  const owner = parseOwner(seen.toString());
  if (owner && (await isAlive(owner))) throw new LockHeldError(path, owner.pid);
  const grave = `${path}.${randomBytes(8).toString('hex')}.dead`;
  try {
    await rename(path, grave);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return;
    throw error;
  }
  // Another program may have taken the dead lock over between our look and our rename: then this is its lock, put it back.
  const moved = await readFile(grave);
  if (!moved.equals(seen)) await tryLink(grave, path);
  await rm(grave, { force: true });
}

async function releaseLock(path: string, mine: Owner): Promise<void> {
  const owner = parseOwner((await readFileIfAny(path))?.toString() ?? '');
  if (owner?.nonce === mine.nonce) await rm(path, { force: true });
}

function parseOwner(text: string): Owner | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null) return undefined;
    const { pid, startTime, nonce } = value as Record<string, unknown>;
    if (typeof pid !== 'number' || typeof startTime !== 'string' || typeof nonce !== 'string') return undefined;
    return { pid, startTime, nonce };
  } catch {
    // A torn lock file names nobody, so nobody holds it.
    return undefined;
  }
}

async function isAlive(owner: Owner): Promise<boolean> {
  try {
    process.kill(owner.pid, 0);
  } catch (error) {
    // EPERM: it lives, as another user.
    if (!isErrno(error, 'EPERM')) return false;
  }
  const startTime = await startTimeOf(owner.pid);
  return startTime === undefined || owner.startTime === '' || startTime === owner.startTime;
}

/** Field 22 of /proc/PID/stat (https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html); undefined without /proc. */
async function startTimeOf(pid: number): Promise<string | undefined> {
  const stat = await readFileIfAny(`/proc/${pid}/stat`).catch(() => undefined);
  // The second field is the program's name in parentheses and may hold spaces; the rest begins after the last one.
  return stat
    ?.toString()
    .replace(/^.*\) /s, '')
    .split(' ')[19];
}
