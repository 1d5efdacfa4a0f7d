/**
 * One program per folder: a lock file that names its owner by pid and start time.
 * A lock whose owner is gone is taken over; pid alone would not do, since pids are used again.
 */
import { createHash, randomBytes } from 'node:crypto';
import { link, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
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
    super(`${path} is held by the running process ${pid}: stop it, or set DATA_DIR to another folder`);
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
    // Each round either wins, meets a living owner, or clears away what a dead one left.
    for (let round = 0; round < 10; round += 1) {
      // link fails if the name exists: of two programs exactly one wins.
      if ((await tryLink(prepared, path)) || (await takeOverDeadLock(path, prepared))) {
        await removeOld(path, mine);
        return () => releaseLock(path, mine);
      }
    }
    throw new Error(`${path} could not be acquired: its owner keeps changing`);
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

/** What programs that were killed while they took the lock have left. One that is taking it now loses, and only says so later. */
async function removeOld(path: string, mine: Owner): Promise<void> {
  const [folder, name] = [dirname(path), basename(path)];
  for (const found of await readdir(folder)) {
    const rest = found.startsWith(`${name}.`) ? found.slice(name.length + 1) : '';
    if (!/^[0-9a-f]{16}(\.claim)?$/.test(rest) || rest === mine.nonce) continue;
    const owner = parseOwner((await readFileIfAny(join(folder, found)))?.toString() ?? '');
    if (owner === undefined || !(await isAlive(owner))) await rm(join(folder, found), { force: true });
  }
}

/**
 * Puts our lock in place of a dead one. Only the holder of the claim on that very lock may replace it, and looks again once
 * it has the claim: so of many who saw the same dead lock one wins. False when there is nothing to take over any more.
 */
async function takeOverDeadLock(path: string, prepared: string): Promise<boolean> {
  const seen = await readFileIfAny(path);
  if (seen === undefined) return false;
  await refuseLiving(path, seen);
  const claim = `${path}.${createHash('sha256').update(seen).digest('hex').slice(0, 16)}.claim`;
  if (!(await tryLink(prepared, claim))) {
    const other = await readFileIfAny(claim);
    if (other === undefined) return false;
    await refuseLiving(path, other);
    // Its holder died between claiming and replacing.
    await rm(claim, { force: true });
    return false;
  }
  try {
    const now = await readFileIfAny(path);
    if (now === undefined || !now.equals(seen)) return false;
    await rename(prepared, path);
    return true;
  } finally {
    await rm(claim, { force: true });
  }
}

async function refuseLiving(path: string, text: Buffer): Promise<void> {
  const owner = parseOwner(text.toString());
  if (owner && (await isAlive(owner))) throw new LockHeldError(path, owner.pid);
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
