/** Looks at the machine's processes through Linux's /proc, so that we end our own ones and no others. */
import { readdirSync, readFileSync } from 'node:fs';

/** A process for certain: its number may be used again, its number and start time together are not. */
export interface ProcessRef {
  readonly pid: number;
  /** Clock ticks from boot to its start, field 22 of /proc/PID/stat (man 5 proc). */
  readonly startTicks: string;
}

export interface ProcessInfo {
  readonly pid: number;
  /** Program and arguments; empty for a zombie. */
  readonly argv: readonly string[];
}

/** Undefined when there is no such process, or only its zombie. */
export function processRef(pid: number): ProcessRef | undefined {
  const stat = readProc(pid, 'stat');
  const state = stateOf(stat);
  const startTicks = fieldsAfterName(stat)[19];
  return state && startTicks && state !== 'Z' && state !== 'X' ? { pid, startTicks } : undefined;
}

export function isAlive(process: ProcessRef): boolean {
  return processRef(process.pid)?.startTicks === process.startTicks;
}

export function listProcesses(): ProcessInfo[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => ({ pid: Number(name), argv: (readProc(Number(name), 'cmdline') ?? '').split('\0').slice(0, -1) }))
    .filter((found) => found.argv.length > 0);
}

/** True when every thread has stopped (SIGSTOP reaches them one by one, a moment later); false for an ended process. */
export function isStopped(pid: number): boolean {
  let threads: string[];
  try {
    threads = readdirSync(`/proc/${pid}/task`);
  } catch (error) {
    if (isGone(error)) return false;
    throw error;
  }
  return threads.every((thread) => stateOf(readProc(pid, `task/${thread}/stat`)) === 'T');
}

/** Sends SIGKILL; a process that is gone already is fine. */
export function killNow(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (!isGone(error)) throw error;
  }
}

/** Tells this boot of the machine from others. */
export function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}

/** One letter: R running, S sleeping, T stopped, Z zombie and others. */
const stateOf = (stat: string | undefined): string | undefined => fieldsAfterName(stat)[0];

/** The fields from the third on. The second is the name in brackets and may hold anything, brackets too. */
const fieldsAfterName = (stat: string | undefined): string[] => stat?.slice(stat.lastIndexOf(')') + 2).split(' ') ?? [];

function readProc(pid: number, file: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

/** ESRCH also comes from reading a file of a process that ends meanwhile. */
function isGone(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return code === 'ENOENT' || code === 'ESRCH';
}
