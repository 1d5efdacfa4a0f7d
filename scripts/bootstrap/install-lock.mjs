/**
 * Lets one set-up at a time install into a checkout.
 * Invariants: 1. The lock is a file made with its content in one step (link), so it is never seen half written.
 * 2. It is taken over only when neither its set-up nor the npm it started lives, and by one taker (the mkdir below).
 */
import { linkSync, mkdirSync, readFileSync, renameSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { SetUpError } from './set-up-error.mjs';

/** Longer than npm may take: see npm.mjs. */
const longestWaitMs = 20 * 60_000;
const pollMs = 100;

/** @typedef {{ noteChild(pid: number | undefined): void }} Holder */

/**
 * @template T
 * @param {string} root
 * @param {(holder: Holder) => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function withInstallLock(root, work) {
  const folder = join(root, '.data');
  mkdirSync(folder, { recursive: true });
  const lock = join(folder, 'set-up.lock');
  const draft = `${lock}.${process.pid}`;
  const giveUpAt = performance.now() + longestWaitMs;
  let told = false;

  writeFileSync(draft, `${process.pid}`);
  try {
    while (!take(draft, lock)) {
      const pids = holders(lock);
      if (performance.now() > giveUpAt) {
        throw new SetUpError(`Another set-up (process ${pids?.[0]}) did not end.\nCure: end it, or remove ${lock}`);
      }
      if (isDead(pids)) breakLock(lock);
      else if (!told) {
        process.stderr.write(`Setting up: waiting for another set-up (process ${pids?.[0] ?? '?'}) ...\n`);
        told = true;
      }
      await sleep(pollMs);
    }
  } finally {
    rmSync(draft, { force: true });
  }

  try {
    return await work({
      noteChild(pid) {
        writeFileSync(draft, `${process.pid} ${pid ?? ''}`);
        renameSync(draft, lock);
      },
    });
  } finally {
    rmSync(lock, { force: true });
  }
}

/**
 * True when the lock is now ours.
 * @param {string} draft
 * @param {string} lock
 */
function take(draft, lock) {
  try {
    linkSync(draft, lock);
    return true;
  } catch (error) {
    if (error.code === 'EEXIST') return false;
    throw error;
  }
}

/**
 * The processes that hold the lock; undefined when it has just been released.
 * @param {string} lock
 */
function holders(lock) {
  try {
    return readFileSync(lock, 'utf8').split(' ').filter(Boolean).map(Number);
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/** @param {number[] | undefined} pids */
const isDead = (pids) => pids !== undefined && !pids.some(isAlive);

/** @param {number} pid */
function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it lives and is another user's.
    return error.code === 'EPERM';
  }
}

/**
 * Removes a dead set-up's lock. Of several that saw it dead one enters, and looks again before it removes anything:
 * another may have taken over meanwhile.
 * @param {string} lock
 */
function breakLock(lock) {
  const door = `${lock}.breaking`;
  try {
    mkdirSync(door);
  } catch (error) {
    if (error.code === 'EEXIST') return;
    throw error;
  }
  try {
    if (isDead(holders(lock))) rmSync(lock, { force: true });
  } finally {
    rmdirSync(door);
  }
}
