/**
 * The short-lived containers that make, enlarge, attach and remove the file systems of sized volumes (sized-volumes.ts): the worker has no right to.
 * One run at a time, which does what several ask for together. What a killed worker was making is made anew.
 */
import { randomBytes } from 'node:crypto';
import { inBackground } from '#common/background.ts';
import type { Logger } from '#common/log.ts';
import { list, record, text, texts } from '../answers.ts';
import type { EngineClient } from '../engine-client.ts';
import { EngineRefusal, hasStatus } from '../engine-errors.ts';
import type { RunTools } from './run-tools.ts';
import { storeLabel, storeVolume } from './sized-names.ts';
import { sizedScript } from './sized-script.ts';
import type { StoreKeeper } from './store-keeper.ts';
import type { FindToolsImage, ToolsImage } from './tools-image.ts';

export interface SizedDeps {
  readonly engine: EngineClient;
  readonly run: RunTools;
  readonly findTools: FindToolsImage;
  readonly logger: Logger;
}

interface Job {
  readonly args: readonly string[];
  /** A plain volume whose files it begins with. */
  readonly from?: string;
  readonly done: (answer: RunAnswer) => void;
  readonly failed: (error: unknown) => void;
}

export interface RunAnswer {
  readonly words: string;
  readonly notes: readonly string[];
}

/** What a run may take, ms. */
export const runMs = 120_000;
// Copies at most what a bot may keep.
const copyMs = 900_000;
const jobsMax = 32;

/** What the container said that was to make it; for the operator. */
export class SizedError extends Error {}

/** Works off what is asked for, in its order; a copy of a plain volume has a run of its own. */
export class SizedRuns {
  readonly #deps: SizedDeps;
  readonly #keeper: StoreKeeper;
  readonly #onFailed: (args: readonly string[]) => void;
  readonly #waiting: Job[] = [];
  #isRunning = false;
  #why: string | undefined;

  /** `onFailed` is called with the words of each job that fails, before its error is thrown. */
  constructor(deps: SizedDeps, keeper: StoreKeeper, onFailed: (args: readonly string[]) => void) {
    this.#deps = deps;
    this.#keeper = keeper;
    this.#onFailed = onFailed;
  }

  /** Why the last run could not be made; undefined when it could. */
  why(): string | undefined {
    return this.#why;
  }

  /** `args` are a command of sized-script.ts; `from` is the plain volume that it copies. Throws SizedError. */
  ask(args: readonly string[], from?: string): Promise<RunAnswer> {
    const { promise, resolve, reject } = Promise.withResolvers<RunAnswer>();
    const failed = (error: unknown) => {
      this.#onFailed(args);
      reject(error);
    };
    this.#waiting.push({ args, ...(from !== undefined && { from }), done: resolve, failed });
    // It fails its jobs, and never itself.
    inBackground(this.#work(), (error) => {
      this.#deps.logger.error({ err: error }, 'work on file systems of bots failed unexpectedly');
    });
    return promise;
  }

  async #work(): Promise<void> {
    if (this.#isRunning) return;
    this.#isRunning = true;
    try {
      for (;;) {
        const first = this.#waiting.shift();
        if (first === undefined) return;
        // One that copies is alone: it takes its time, and mounts what it copies.
        const more = first.from === undefined ? this.#waiting.findIndex(({ from }) => from !== undefined) : 0;
        const others = Math.min(jobsMax - 1, more < 0 ? this.#waiting.length : more);
        await this.#run([first, ...this.#waiting.splice(0, others)]);
      }
    } finally {
      this.#isRunning = false;
    }
  }

  async #run(jobs: readonly Job[]): Promise<void> {
    try {
      await runJobs(this.#deps, this.#keeper, jobs);
      this.#why = undefined;
    } catch (error) {
      if (error instanceof SizedError) this.#why = error.message;
      for (const job of jobs) job.failed(error);
    }
  }
}

export async function findVolume(engine: EngineClient, name: string, signal: AbortSignal) {
  try {
    return record(await engine.call({ method: 'GET', path: `/volumes/${encodeURIComponent(name)}` }, signal));
  } catch (error) {
    if (hasStatus(error, 404)) return undefined;
    throw error;
  }
}

/** Under which name the devices of this engine are known. Made with the volume, and gone with it. Throws SizedError. */
export async function storeOf(engine: EngineClient, signal: AbortSignal): Promise<string> {
  if ((await findVolume(engine, storeVolume, signal)) === undefined) {
    // One that somebody else makes at the same time stays as it is.
    const Labels = { [storeLabel]: randomBytes(6).toString('hex') };
    const body = { Name: storeVolume, Driver: 'local', Labels };
    await engine.call({ method: 'POST', path: '/volumes/create', body }, signal);
  }
  const store = texts((await findVolume(engine, storeVolume, signal))?.['Labels'])[storeLabel] ?? '';
  if (!/^[0-9a-f]{12}$/.test(store)) throw new SizedError(`the volume ${storeVolume} was not made by Bot Runner`);
  return store;
}

/** Several jobs by one container. Throws SizedError when it cannot run; a job that fails alone gets its own error. */
async function runJobs(
  { engine, run, findTools }: SizedDeps,
  keeper: StoreKeeper,
  jobs: readonly Job[],
): Promise<void> {
  const from = jobs[0]?.from;
  const timeoutMs = from === undefined ? runMs : copyMs;
  const signal = AbortSignal.timeout(timeoutMs);
  const tools = await usableTools(engine, findTools, signal);
  // The engine would make an empty one.
  if (from !== undefined && (await findVolume(engine, from, signal)) === undefined) {
    throw new Error(`the volume ${from} is gone, and is not copied`);
  }
  const store = await storeOf(engine, signal);
  await keeper.ensure(tools, signal);
  const host = {
    Mounts: [
      { Type: 'volume', Source: storeVolume, Target: '/disks', ReadOnly: false, VolumeOptions: { NoCopy: true } },
      { Type: 'bind', Source: '/dev', Target: '/dev', ReadOnly: false },
      ...(from === undefined
        ? []
        : [{ Type: 'volume', Source: from, Target: '/from', ReadOnly: true, VolumeOptions: { NoCopy: true } }]),
    ],
    CapAdd: ['SYS_ADMIN', 'DAC_READ_SEARCH', 'DAC_OVERRIDE', 'FOWNER', 'MKNOD'],
    // Loop devices, and the device that gives them out.
    DeviceCgroupRules: ['b 7:* rwm', 'c 10:237 rwm'],
    // The answer has a word for each file.
    LogConfig: { Type: 'json-file', Config: { 'max-size': '32m', 'max-file': '1' } },
  };
  const args = [store, ...jobs.flatMap((job) => [String(job.args.length), ...job.args])];
  const ended = await run(tools, { script: sizedScript, args, timeoutMs, host }, signal).catch((error: unknown) => {
    if (error instanceof EngineRefusal) throw new SizedError(`the engine refused the container: ${error.text}`);
    throw error;
  });
  const lines = ended.output.split('\n');
  for (const [index, job] of jobs.entries()) {
    const mark = `#${index} `;
    const noteMark = `#${index}: `;
    const answer = lines.find((line) => line.startsWith(mark))?.slice(mark.length);
    const notes = lines.filter((line) => line.startsWith(noteMark)).map((line) => line.slice(noteMark.length));
    if (answer?.startsWith('ok')) job.done({ words: answer.slice(2).trim(), notes });
    else job.failed(new SizedError((answer ?? ended.output).slice(0, 300) || `exit code ${ended.code}`));
  }
}

async function usableTools(engine: EngineClient, find: FindToolsImage, signal: AbortSignal): Promise<ToolsImage> {
  if ((await engine.kind(signal)) === 'podman') throw new SizedError('they are not made on Podman');
  const info = record(await engine.call({ method: 'GET', path: '/info' }, signal));
  if (list(info['SecurityOptions']).some((option) => text(option).includes('name=rootless'))) {
    throw new SizedError('they are not made on a rootless engine');
  }
  const tools = await find(engine, signal);
  if ('why' in tools) throw new SizedError(tools.why);
  if (tools.missing.length > 0) {
    const cure = 'on Debian and Ubuntu: apt-get install e2fsprogs mount';
    throw new SizedError(`the worker has no ${tools.missing.join(', ')} (${cure})`);
  }
  return tools;
}
