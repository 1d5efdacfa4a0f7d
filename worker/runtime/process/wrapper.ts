/**
 * The small shell program around a bot's process. It outlives the worker: its files show later what runs
 * and how it ended. It is the leader of its own session and process group, which are the bot's too.
 *
 * 1. It writes who it is before it starts the bot, so a bot that runs is always found, even if the worker was killed in
 *    the middle of starting it.
 * 2. SIGTERM, or the stop signal that its user asks for, goes to the whole group. The wrapper only notes it, so that it lives to write the bot's exit code. (A trap
 *    is not inherited by the bot; an ignored signal would be.)
 * 3. A signal that comes as soon as that is written ends the bot: it is the bot's own process, in which nothing is trapped, that puts the
 *    file in its place before it becomes the bot. The wrapper alone would note the signal, and then start a bot that never got it.
 * 4. When the bot has ended, what is left of its group is killed: a child must not run on unseen.
 */
import { readdir, readFile, stat } from 'node:fs/promises';
import { isErrno, readFileIfAny } from '../../state/atomic-file.ts';

// $1 file for the identity, $2 file for the exit code, the rest is the command. Descriptor 3 is the bot's stderr: the
// shell's own notes, such as "Killed", go to descriptor 2, which is /dev/null. The parentheses keep it so: some shells
// redirect themselves while they wait for a command. Files appear whole, by rename.
// ulimit counts files in blocks of 512 bytes: no file of a bot grows beyond 1 GiB, its output without a worker included.
export const wrapperScript = `
trap : TERM INT HUP QUIT USR1 USR2
record=$1 exit=$2
shift 2
ulimit -c 0
ulimit -f 2097152
if [ -r "/proc/$$/stat" ]; then read -r stat < "/proc/$$/stat"; else stat=$(LC_ALL=C PATH=/usr/bin:/bin ps -o lstart= -p $$); fi
printf '%s\\n%s\\n' "$$" "$stat" > "$record.new" || exit 125
( PATH=/usr/bin:/bin mv "$record.new" "$record" || exit 125; exec "$@" 2>&3 3>&- )
code=$?
printf '%s\\n' "$code" > "$exit.new" && PATH=/usr/bin:/bin mv "$exit.new" "$exit"
set -- $stat
if [ "$5" = "$$" ]; then kill -KILL 0; fi
`;

/** One process, distinct from a later one with the same pid. */
export interface ProcessRecord {
  readonly pid: number;
  /** When it started, in whatever form this system has it. */
  readonly startStamp: string;
}

/** What the wrapper wrote about itself; undefined when it did not get to it. */
export async function readProcessRecord(path: string): Promise<ProcessRecord | undefined> {
  const [pid = '', stat = ''] = (await readFileIfAny(path))?.toString().split('\n') ?? [];
  if (!/^[1-9]\d{0,9}$/.test(pid)) return undefined;
  return { pid: Number(pid), startStamp: startStampOf(stat) };
}

/** A process that runs; undefined when there is none of that pid. */
export async function processRecordOf(pid: number): Promise<ProcessRecord | undefined> {
  const stat = await currentStat(pid);
  return stat === undefined ? undefined : { pid, startStamp: startStampOf(stat) };
}

/** The program of a process and its arguments; empty when it has ended, or is another user's. */
export async function commandLine(pid: number): Promise<readonly string[]> {
  try {
    return (await readFile(`/proc/${pid}/cmdline`, 'utf8')).split('\0');
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ESRCH', 'EACCES')) return [];
    throw error;
  }
}

export interface Exit {
  readonly code: number;
  /** Wall time, ms since 1970. */
  readonly atMs: number;
}

/** The exit that the wrapper wrote; undefined when it was killed itself, or the bot runs. */
export async function readExit(path: string): Promise<Exit | undefined> {
  try {
    const text = (await readFile(path, 'utf8')).trim();
    const { mtimeMs } = await stat(path);
    return /^\d{1,3}$/.test(text) ? { code: Number(text), atMs: Math.round(mtimeMs) } : undefined;
  } catch (error) {
    // Not written, or its container was just removed.
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/**
 * Field 22 of /proc/PID/stat, clock ticks since boot (https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html), or the
 * line itself where it is the time from ps.
 */
function startStampOf(stat: string): string {
  const fields = fieldsOf(stat);
  return fields ? (fields[19] ?? '') : stat.trim();
}

/** The fields of /proc/PID/stat from the third on: state, parent, process group, ... Undefined for what is not such a line. */
const fieldsOf = (stat: string): readonly string[] | undefined =>
  // The second field is the program's name in parentheses and may hold spaces; the rest begins after the last one.
  /^\d+ \(.*\) (.*)$/s.exec(stat)?.[1]?.split(' ');

type Liveness = 'leader' | 'group' | 'none';

/** Whether the process still runs; `group`: it does not, but others of its process group do. */
export async function livenessOf({ pid, startStamp }: ProcessRecord): Promise<Liveness> {
  const now = await currentStat(pid);
  if (now !== undefined) {
    // A zombie has ended: it only waits for its parent to notice.
    if (startStampOf(now) !== startStamp) return 'none';
    if (fieldsOf(now)?.[0] !== 'Z') return 'leader';
  }
  // The pid is not given to a new process while its group has members, so a group of that number is still ours.
  return signalGroup(pid, 0) && (await groupLives(pid)) ? 'group' : 'none';
}

/** Whether a group has members that are more than zombies, which some systems leave for seconds. */
async function groupLives(group: number): Promise<boolean> {
  let pids: readonly string[];
  try {
    pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  } catch (error) {
    // Without /proc a zombie looks like a live process; a moment later it is gone.
    if (isErrno(error, 'ENOENT')) return true;
    throw error;
  }
  for (const pid of pids) {
    const [state, , processGroup] = fieldsOf((await currentStat(Number(pid))) ?? '') ?? [];
    if (processGroup === String(group) && state !== 'Z') return true;
  }
  return false;
}

async function currentStat(pid: number): Promise<string | undefined> {
  try {
    const stat = await readFileIfAny(`/proc/${pid}/stat`);
    return stat?.toString();
  } catch (error) {
    // The process ended between the opening of the file and the reading of it.
    if (isErrno(error, 'ESRCH')) return undefined;
    throw error;
  }
}

/** Sends a signal to a process group. False when it has no members any more. */
export function signalGroup(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(-pid, signal);
    return true;
  } catch (error) {
    if (isErrno(error, 'ESRCH')) return false;
    throw error;
  }
}
