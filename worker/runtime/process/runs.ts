/**
 * Runs of a container: starting its program, seeing whether it runs, ending it. All that is known about a run is in files
 * (wrapper.ts writes them), so a new worker finds a bot that the last one left running.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { open, readdir, readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Clock, sleep } from '#common/clock.ts';
import { refuse } from '#common/problem.ts';
import { simpleCommand } from '../../images/dockerfile.ts';
import { isErrno, readFileIfAny, readJsonIfAny, writeFileAtomic } from '../../state/atomic-file.ts';
import { type ContainerStatus, dataDirVariable } from '../container-runtime.ts';
import type { Program } from './container-store.ts';
import { programPath } from './interpreters.ts';
import { containerFiles } from './layout.ts';
import { endLastLines } from './log-files.ts';
import { livenessOf, type ProcessRecord, readExit, readProcessRecord, signalGroup, wrapperScript } from './wrapper.ts';

/** run.json: the last run that was begun. */
interface RunNote {
  readonly run: number;
  readonly startedAtMs: number;
  /** Pids and start times mean nothing after the next boot. */
  readonly bootId: string;
}

export interface RunFacts {
  readonly status: ContainerStatus;
  readonly startedAtMs: number | undefined;
  readonly finishedAtMs: number | undefined;
  readonly exitCode: number | undefined;
}

const startMs = 10_000;
const killMs = 10_000;
const lookMs = 25;
const killedCode = 137;

const never: RunFacts = { status: 'created', startedAtMs: undefined, finishedAtMs: undefined, exitCode: undefined };

/** What is known of the last run of the container in that folder. */
export async function runFacts(folder: string): Promise<RunFacts> {
  const note = await readNote(folder);
  if (!note) return never;
  const { startedAtMs, run } = note;
  if (await runningProcess(folder, note)) {
    return { status: 'running', startedAtMs, finishedAtMs: undefined, exitCode: undefined };
  }
  // Read after the look at the process: a run that ended in between has written it by now.
  const exit = await readExit(containerFiles(folder).exit(run));
  return { status: 'exited', startedAtMs, finishedAtMs: exit?.atMs, exitCode: exit?.code };
}

export interface Running {
  /** The pid of the wrapper around the program. */
  readonly pid: number;
  readonly startedAtMs: number;
}

/** The run that is under way; undefined when none does. */
export async function runningRun(folder: string): Promise<Running | undefined> {
  const note = await readNote(folder);
  const found = note && (await runningProcess(folder, note));
  return found && { pid: found.pid, startedAtMs: note.startedAtMs };
}

/** The pid of the wrapper around the program that runs; undefined when none does. */
export const runningPid = async (folder: string): Promise<number | undefined> => (await runningRun(folder))?.pid;

/** What is to run, in the folder of its container, with the folder that is kept for its bot. */
export interface NewRun {
  readonly folder: string;
  readonly data: string;
  readonly program: Program;
}

/** Starts the program; returns when it runs. The caller has seen that none runs, and calls once at a time. */
export async function startRun({ folder, data, program }: NewRun, clock: Clock, onEnd: () => void): Promise<void> {
  const files = containerFiles(folder);
  const last = await readNote(folder);
  const run = (last?.run ?? 0) + 1;
  await endLastLines(files);
  const note: RunNote = { run, startedAtMs: clock.wallMs(), bootId: await bootId() };
  await writeFileAtomic(files.run, JSON.stringify(note));
  const stdout = await open(files.stdout, 'a', 0o600);
  const stderr = await open(files.stderr, 'a', 0o600);
  try {
    const argv = ['-c', wrapperScript, 'bot-runner', files.record(run), files.exit(run), ...command(program)];
    const child = spawn('/bin/sh', argv, {
      cwd: files.app,
      env: { ...environment(program, files), [dataDirVariable]: data },
      // A session of its own: neither a terminal's Ctrl-C nor the end of the worker reaches it.
      detached: true,
      stdio: ['ignore', stdout.fd, 'ignore', stderr.fd],
    });
    child.unref();
    child.once('exit', onEnd);
    await untilRecorded(child, files.record(run), clock);
  } catch (error) {
    refuse('CONTAINER_ERROR', 'The process of the bot could not be started.', { cause: error });
  } finally {
    await stdout.close();
    await stderr.close();
  }
}

/** Returns when the wrapper has said who it is. Throws if it cannot; nothing is running then. */
async function untilRecorded(child: ChildProcess, path: string, clock: Clock): Promise<void> {
  let failure: unknown;
  child.once('error', (error) => {
    failure = error;
  });
  child.once('exit', (code) => {
    failure ??= new Error(`the wrapper ended with code ${code}`);
  });
  const endMs = clock.monotonicMs() + startMs;
  for (;;) {
    // Looked at first: what has ended may well have begun before.
    const failed = failure;
    if (await readProcessRecord(path)) return;
    if (failed !== undefined) throw failed;
    if (clock.monotonicMs() > endMs) {
      if (child.pid !== undefined) signalGroup(child.pid, 'SIGKILL');
      throw new Error('the wrapper did not start in time');
    }
    await sleep(clock, 5);
  }
}

/** `stopSignal` to the program's whole group, SIGKILL after the grace; returns when none of it runs. */
export async function stopRun(
  folder: string,
  { graceMs, stopSignal = 'SIGTERM' }: { readonly graceMs: number; readonly stopSignal?: NodeJS.Signals | undefined },
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  const note = await readNote(folder);
  const running = note && (await runningProcess(folder, note));
  if (!running || (await endProcess(running, graceMs, clock, signal, stopSignal)) === 'followed') return;
  const exit = containerFiles(folder).exit(note.run);
  // The wrapper was killed with the rest and could not write it.
  if ((await readExit(exit)) === undefined) await writeFileAtomic(exit, `${killedCode}\n`);
}

/** Returns when nothing of the process's group runs: it followed the stop signal, or was killed. */
export async function endProcess(
  running: ProcessRecord,
  graceMs: number,
  clock: Clock,
  signal: AbortSignal,
  stopSignal: NodeJS.Signals = 'SIGTERM',
): Promise<'followed' | 'killed'> {
  if (graceMs > 0) {
    signalGroup(running.pid, stopSignal);
    if (await untilGone(running, graceMs, clock, signal)) return 'followed';
  }
  signalGroup(running.pid, 'SIGKILL');
  if (!(await untilGone(running, killMs, clock, signal))) {
    refuse('CONTAINER_ERROR', 'The process of the bot does not end, not even on SIGKILL.');
  }
  return 'killed';
}

async function untilGone(running: ProcessRecord, limitMs: number, clock: Clock, signal: AbortSignal): Promise<boolean> {
  const endMs = clock.monotonicMs() + limitMs;
  while ((await livenessOf(running)) !== 'none') {
    if (clock.monotonicMs() >= endMs) return false;
    await sleep(clock, lookMs, signal);
  }
  return true;
}

async function readNote(folder: string): Promise<RunNote | undefined> {
  const { run } = containerFiles(folder);
  const note = await readJsonIfAny<RunNote>(run);
  if (note && Number.isInteger(note.run)) return note;
  return (await readFileIfAny(run)) === undefined ? undefined : lastRun(folder);
}

/** Read from the wrappers' own files where run.json is damaged: a running bot must not be started a second time. */
async function lastRun(folder: string): Promise<RunNote | undefined> {
  const runs = (await readdir(folder)).map((name) => Number(/^process\.(\d+)$/.exec(name)?.[1] ?? 0));
  const run = Math.max(0, ...runs);
  if (run === 0) return undefined;
  const { mtimeMs } = await stat(containerFiles(folder).record(run));
  return { run, startedAtMs: Math.round(mtimeMs), bootId: await bootId() };
}

async function runningProcess(folder: string, note: RunNote): Promise<ProcessRecord | undefined> {
  const record = await readProcessRecord(containerFiles(folder).record(note.run));
  if (!record || note.bootId !== (await bootId())) return undefined;
  return (await livenessOf(record)) === 'none' ? undefined : record;
}

/** The id of this boot, which the worker does not outlive. */
async function bootId(): Promise<string> {
  try {
    return (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return '';
    throw error;
  }
}

/** The bot's own Python and Node, whatever PATH says; other programs are looked for there. */
function command({ run, image }: Program): readonly string[] {
  const interpreter = (word: string) =>
    run.language === 'python' && /^python3?$/.test(word) ? image.python : word === 'node' ? process.execPath : word;
  const words = simpleCommand(run);
  // After `env NAME=value ...` the program follows.
  const at = words[0] === 'env' ? words.findIndex((word, index) => index > 0 && !word.includes('=')) : 0;
  return words.map((word, index) => (index === at ? interpreter(word) : word));
}

/** Little, and nothing of the worker's own environment but PATH: it holds the worker's token. */
function environment(
  { run, env, image }: Program,
  { app, home }: { readonly app: string; readonly home: string },
): NodeJS.ProcessEnv {
  const ownPrograms =
    run.language === 'python'
      ? [dirname(image.python)]
      : [join(app, 'node_modules', '.bin'), join(dirname(app), 'node_modules', '.bin')];
  return {
    PATH: programPath(...ownPrograms),
    HOME: home,
    LANG: 'C.UTF-8',
    PYTHONUNBUFFERED: '1',
    ...env,
  };
}
