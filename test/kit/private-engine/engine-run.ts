/**
 * What one private engine is made of on this machine, and how it is removed whole. Everything is found through the run's
 * own folder, whose name is unique: `run.json` in it says whose run it is, the engine's processes have it in their command
 * lines, mounts lie under it, and containers live in a control group of its name.
 */
import { existsSync, lstatSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { bootId, isAlive, killNow, listProcesses, type ProcessRef, processRef } from './process-table.ts';
import { runProgram } from './run-program.ts';

const folderPrefix = 'botrunner-test-';
const enginePrograms = new Set([
  'dockerd',
  'containerd',
  'containerd-shim',
  'containerd-shim-runc-v2',
  'runc',
  'podman',
]);
const killTimeoutMs = 15_000;

export interface EngineRun {
  readonly boot: string;
  /** The process the engine was started for. When it is gone the run is a leftover. */
  readonly owner: ProcessRef;
  /** Holds the network namespace (network.ts). */
  readonly keeper?: ProcessRef;
  /** The system's folders that the engine makes whatever its settings are, and that were not there before it. */
  readonly madeFolders?: readonly string[];
}

/** A test process has another folder for its temporary files: leave-nothing/setup.ts. */
const enginesDir = (): string => process.env['BOTRUNNER_ENGINES_DIR'] ?? tmpdir();

const engineFolders = ['/run/docker', '/run/docker/plugins', '/etc/docker'];

/** Makes the folder of a new run under the system's folder for temporary files. */
export async function createRunFolder(): Promise<string> {
  const dir = await mkdtemp(join(enginesDir(), folderPrefix));
  saveRun(dir, {});
  return dir;
}

/** Writes down what belongs to the run of this process so far. */
export function saveRun(dir: string, parts: Pick<EngineRun, 'keeper'>): void {
  const owner = processRef(process.pid);
  if (!owner) throw new Error('this process is not in /proc');
  const madeFolders = readRun(dir)?.madeFolders ?? engineFolders.filter((folder) => !exists(folder));
  const run: EngineRun = { boot: bootId(), owner, madeFolders, ...parts };
  writeFileSync(join(dir, 'run.json'), JSON.stringify(run));
}

export const cgroupOf = (dir: string): string => basename(dir);

/** Processes of the engine itself that run from this folder, not those in containers. */
export function engineProcesses(dir: string): { readonly pid: number; readonly program: string }[] {
  return listProcesses()
    .filter(({ argv }) => argv.some((arg) => arg.includes(`${dir}/`)))
    .map(({ pid, argv: [program = ''] }) => ({ pid, program: basename(program) }))
    .filter(({ program }) => enginePrograms.has(program));
}

/** Removes runs whose owner is gone: a run that was ended by SIGKILL, or whose own removal was. */
export async function sweepLeftovers(): Promise<void> {
  for (const name of readdirSync(enginesDir())) {
    const dir = join(enginesDir(), name);
    if (!name.startsWith(folderPrefix) || !isOurs(dir)) continue;
    const run = readRun(dir);
    if (!run || (run.boot === bootId() && isAlive(run.owner))) continue;
    try {
      await removeRun(dir);
    } catch (error) {
      // Its keeper, or another run, may be removing it at this moment. What stays is in nobody's way.
      if (exists(dir)) console.warn(`leftovers of an earlier test run stay in ${dir}: ${error}`);
    }
  }
}

/** Ends every process of the run, container or engine, and removes its mounts, control groups, network and files. */
export async function removeRun(dir: string): Promise<void> {
  const run = readRun(dir);
  const sameBoot = run?.boot === bootId();
  await killAll(dir);
  await unmountAll(dir);
  await detachAll(join(dir, 'data/volumes/bot_runner_disks/_data'));
  for (const cgroup of cgroupFolders(cgroupOf(dir))) await removeCgroup(cgroup);
  // The namespace, and with it the link, goes with the last process in it. The keeper itself may be what runs this.
  if (sameBoot && run.keeper && run.keeper.pid !== process.pid && isAlive(run.keeper)) killNow(run.keeper.pid);
  for (const folder of [...(run?.madeFolders ?? [])].reverse()) removeIfEmpty(folder);
  await rm(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
}

/** The file systems of bots: a device that is attached would outlive its file. */
async function detachAll(folder: string): Promise<void> {
  const files = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.img')) : [];
  for (const name of files) {
    const found = await runProgram('losetup', ['-n', '-O', 'NAME', '-j', join(folder, name)]);
    for (const device of found.split('\n').filter(Boolean)) await runProgram('losetup', ['-d', device.trim()]);
  }
}

function removeIfEmpty(folder: string): void {
  try {
    rmdirSync(folder);
  } catch {
    // Not empty, or gone: then it is somebody else's by now.
  }
}

async function killAll(dir: string): Promise<void> {
  const end = performance.now() + killTimeoutMs;
  for (;;) {
    // The engine first, so that nothing reacts to what follows. A container outlives the engine and its shim.
    const engine = engineProcesses(dir).map(({ pid }) => pid);
    for (const pid of engine) killNow(pid);
    const contained = cgroupFolders(cgroupOf(dir)).flatMap(processesIn);
    for (const pid of contained) killNow(pid);
    if (engine.length + contained.length === 0) return;
    if (performance.now() > end) throw new Error(`processes of ${dir} do not end: ${[...engine, ...contained]}`);
    await pause(10);
  }
}

/** Deepest first. Lazily, because a process that just ended may still hold one. */
async function unmountAll(dir: string): Promise<void> {
  const points = readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '')
    .filter((point) => point.startsWith(`${dir}/`))
    .reverse();
  if (points.length > 0) await runProgram('umount', ['--lazy', ...points]);
}

/** The control group of that name in every hierarchy: one in version 2, one per controller in version 1. */
function cgroupFolders(name: string): string[] {
  const roots = ['/sys/fs/cgroup', ...subfolders('/sys/fs/cgroup')];
  return roots.map((root) => join(root, name)).filter((folder) => exists(folder));
}

function processesIn(cgroup: string): number[] {
  const own = readFileSync(join(cgroup, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean).map(Number);
  return [...own, ...subfolders(cgroup).flatMap(processesIn)];
}

async function removeCgroup(cgroup: string): Promise<void> {
  for (const child of subfolders(cgroup)) await removeCgroup(child);
  for (let tries = 0; ; tries++) {
    try {
      return rmdirSync(cgroup);
    } catch (error) {
      // Busy until the kernel has reaped what was killed.
      if (tries >= 100) throw error;
      await pause(20);
    }
  }
}

function subfolders(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => join(folder, entry.name));
}

function exists(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

/** A real folder of our own user: anyone may put a look-alike into a shared folder for temporary files. */
function isOurs(dir: string): boolean {
  const stat = lstatSync(dir, { throwIfNoEntry: false });
  return stat?.isDirectory() === true && stat.uid === process.getuid?.();
}

function readRun(dir: string): EngineRun | undefined {
  try {
    // Written by saveRun, in a folder that only our user can write to.
    return JSON.parse(readFileSync(join(dir, 'run.json'), 'utf8')) as EngineRun;
  } catch {
    return undefined; // being made or being removed by another run right now
  }
}
