/** What a storm that was ended by SIGKILL leaves: its programs and bots, the mount of its store, its folder. */
import { readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isAlive, killNow, type ProcessRef, processRef } from '../kit/private-engine/process-table.ts';
import { runProgram } from '../kit/private-engine/run-program.ts';

export const folderPrefix = 'storm-';
export const ownerFile = 'owner.json';

/** Writes down that the folder is this process's. */
export function claimFolder(dir: string): void {
  writeFileSync(join(dir, ownerFile), JSON.stringify(processRef(process.pid)));
}

/** Removes, before a storm begins, what those left whose process is gone. A folder that was to be kept has no owner. */
export async function sweepStorms(): Promise<void> {
  for (const name of readdirSync(tmpdir()).filter((each) => each.startsWith(folderPrefix))) {
    const dir = join(tmpdir(), name);
    const owner = ownerOf(dir);
    if (owner === undefined || isAlive(owner)) continue;
    await endStorm(dir);
    rmSync(dir, { recursive: true, force: true });
  }
}

/** Ends every process that works in the folder and takes its store off. */
export async function endStorm(dir: string): Promise<void> {
  for (const pid of readdirSync('/proc').filter((each) => /^\d+$/.test(each))) {
    const env = tried(() => readFileSync(`/proc/${pid}/environ`, 'utf8'));
    const cwd = tried(() => readlinkSync(`/proc/${pid}/cwd`));
    if (env.split('\0').includes(`HOME=${dir}`) || cwd.startsWith(`${dir}/`)) killNow(Number(pid));
  }
  const mounts = tried(() => readFileSync('/proc/self/mounts', 'utf8'));
  if (mounts.includes(` ${join(dir, 'store')} `)) await runProgram('umount', ['--lazy', join(dir, 'store')]);
}

function ownerOf(dir: string): ProcessRef | undefined {
  const text = tried(() => readFileSync(join(dir, ownerFile), 'utf8'));
  // Written by claimFolder.
  return text === '' ? undefined : (JSON.parse(text) as ProcessRef);
}

function tried(read: () => string): string {
  try {
    return read();
  } catch {
    return ''; // it has just ended, or is not there
  }
}
