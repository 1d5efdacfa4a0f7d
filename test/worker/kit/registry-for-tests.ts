/** A registry of bots on a scripted engine, with everything it reports written down. Time is the test's. */
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { pack } from 'tar-stream';
import { silentLogger } from '#common/log.ts';
import { openText, sealText } from '#common/seal.ts';
import { Secret } from '#common/secret.ts';
import { fairSemaphore } from '#common/waiting/semaphore.ts';
import { BotSpecSchema, BotState, DesiredState } from '#gen/botrunner/v1/bot_pb.js';
import type { LogEntry } from '#gen/botrunner/v1/log_pb.js';
import {
  type BotObservation,
  DesiredSetSchema,
  EnsureSchema,
  type TaskResult,
} from '#gen/botrunner/v1/worker_service_pb.js';
import { createBotRecords } from '../../../worker/bots/bot-records.ts';
import { BotRegistry } from '../../../worker/bots/bot-registry.ts';
import type { Artifacts } from '../../../worker/bots/image-preparation.ts';
import { noPreflight, type Preflight } from '../../../worker/diagnosis/preflight.ts';
import { createContainerLookup } from '../../../worker/engine/container-lookup.ts';
import { BotLogs } from '../../../worker/logs/bot-logs.ts';
import { readLog } from '../../../worker/logs/log-reader.ts';
import type { DiskLimits } from '../../../worker/runtime/container-runtime.ts';
import type { Stray } from '../../../worker/runtime/strays.ts';
import { openGate, type StartGate } from '../../../worker/safety/start-gate.ts';
import { plainTar } from '../../../worker/state/source-tar.ts';
import { eventually } from '../../kit/eventually.ts';
import { createManualClock, type ManualClock } from '../../kit/manual-clock.ts';
import { createScriptedRuntime, type ScriptedRuntime, testWorkerId } from './scripted-runtime.ts';

export const echo = { userId: 'dev', botId: 'echo' };

export interface Reports {
  readonly accepted: string[];
  readonly progress: { readonly taskId: string; readonly state: BotState; readonly message: string }[];
  readonly output: LogEntry[];
  readonly results: TaskResult[];
  readonly observations: BotObservation[];
  /** As last reported. */
  readonly strays: Stray[];
}

export interface RegistryForTests {
  readonly clock: ManualClock;
  readonly runtime: ScriptedRuntime;
  readonly registry: BotRegistry;
  readonly reports: Reports;
  readonly logs: BotLogs;
  /** Artifacts cannot be had while this is set. */
  artifactError: Error | undefined;
  /** The sha256 of each artifact that was fetched. */
  readonly fetched: string[];
  /** What the orchestrator was asked about tokens: whether the bot had been built. */
  readonly claims: boolean[];
  claimAnswer: () => 'granted' | 'pending';
  /** The bot should run at this revision; generation is the same unless given. */
  run(revision: number, extra?: MessageInitShape<typeof EnsureSchema>): void;
  stop(generation: number, extra?: MessageInitShape<typeof EnsureSchema>): void;
  ensure(message: MessageInitShape<typeof EnsureSchema>): void;
  /** Lets time pass in small steps, and waits for what follows from it, until the condition holds. */
  until<T>(
    what: string,
    read: () => T | undefined | false | Promise<T | undefined | false>,
    maxMs?: number,
  ): Promise<T>;
  /** Lets so much time pass. */
  pass(ms: number): Promise<void>;
  result(taskId: string): Promise<TaskResult>;
  state(botId?: string): BotState | undefined;
  observation(botId?: string): BotObservation | undefined;
  logText(): Promise<string[]>;
  /** Names of the files that keep something of bots. */
  recordFiles(): Promise<string[]>;
  /** What the only one of them holds. */
  recordText(): Promise<string>;
  /** Ends the worker's part and starts over on the same folder and engine. */
  restart(suspending?: boolean): Promise<void>;
  close(): Promise<void>;
}

export const spec = (env: Record<string, string> = {}, sha = 'a') =>
  create(BotSpecSchema, {
    source: { case: 'simple', value: { artifactSha256: sha.repeat(64), entrypoint: 'bot.py' } },
    env,
  });

/** A tar of bot.py and src/handlers.py. */
export async function makeBotTar(code = 'print(1)\n'): Promise<Buffer> {
  const tar = pack();
  tar.entry({ name: 'bot.py' }, code);
  tar.entry({ name: 'src/handlers.py' }, 'start = 1\n');
  tar.finalize();
  return buffer(tar);
}

export async function createRegistryForTests(
  options: {
    buildSlots?: number;
    quickSlots?: number;
    fetchSlots?: number;
    interrupted?: (finishedAtMs: number) => boolean;
    kind?: 'docker' | 'process';
    startGate?: StartGate;
    preflight?: Preflight;
    disk?: DiskLimits;
    /** What bot.py holds. */
    code?: string;
  } = {},
): Promise<RegistryForTests> {
  const dir = await mkdtemp(join(tmpdir(), 'registry-'));
  const botTar = await makeBotTar(options.code);
  const clock = createManualClock();
  const runtime = createScriptedRuntime(clock, options.kind ?? 'docker');
  const reports: Reports = { accepted: [], progress: [], output: [], results: [], observations: [], strays: [] };
  const artifacts: Artifacts = {
    async fetch(sha256) {
      if (self.artifactError) throw self.artifactError;
      const path = join(dir, `${sha256}.tar`);
      await writeFile(path, botTar);
      self.fetched.push(sha256);
      return { tar: plainTar(path), release: () => undefined };
    },
  };
  const sealKey = new Secret(new Uint8Array(32).fill(9));
  const compose = () => {
    const logs = new BotLogs(join(dir, 'logs'), { runtime, clock, logger: silentLogger });
    const lookup = createContainerLookup(runtime, clock);
    const registry = new BotRegistry({
      logs,
      lookup,
      resendResult: (taskId) => {
        const known = reports.results.find((result) => result.taskId === taskId);
        if (known) reports.results.push(known);
        return known !== undefined;
      },
      onObservation: (observation) => reports.observations.push(observation),
      onStrays: (strays) => reports.strays.splice(0, reports.strays.length, ...strays),
      worker: {
        workerId: testWorkerId,
        runtime,
        clock,
        logger: silentLogger,
        random: () => 0,
        defaults: { memoryBytes: 256 * 1024 ** 2, cpuMillis: 500, disk: options.disk, env: {} },
        operatorSecrets: [],
        slots: fairSemaphore(options.buildSlots ?? 1),
        fetchSlots: fairSemaphore(options.fetchSlots ?? 8),
        ...(options.quickSlots === undefined ? {} : { quickSlots: fairSemaphore(options.quickSlots) }),
        artifacts,
        fetching: { dir, allow: [], clock },
        tokenClaims: {
          claim: async (_, built) => {
            self.claims.push(built);
            return self.claimAnswer();
          },
        },
        startGate: options.startGate ?? openGate,
        preflight: options.preflight ?? noPreflight,
        records: createBotRecords(join(dir, 'bots'), silentLogger),
        reports: {
          accepted: (taskId) => reports.accepted.push(taskId),
          progress(taskId, state, message, output) {
            reports.progress.push({ taskId, state, message });
            reports.output.push(...output);
          },
          ended: (result) => reports.results.push(result),
        },
        lookup: (key) => lookup.find(key),
        strayOf: (key) => lookup.strayOf(key),
        wasInterrupted: (finishedAtMs) => finishedAtMs !== undefined && options.interrupted?.(finishedAtMs) === true,
        sealFor: (key, plain) => sealText(sealKey, plain, key.botId),
        openFor: (key, sealed) => openText(sealKey, sealed, key.botId),
      },
    });
    return { logs, registry };
  };
  await mkdir(join(dir, 'bots'));
  await mkdir(join(dir, 'logs'));
  let parts = compose();

  const self: RegistryForTests = {
    clock,
    runtime,
    reports,
    artifactError: undefined,
    fetched: [],
    claims: [],
    claimAnswer: () => 'granted',
    get registry() {
      return parts.registry;
    },
    get logs() {
      return parts.logs;
    },
    ensure: (message) => parts.registry.ensure(create(EnsureSchema, { ...echo, epoch: 1n, ...message })),
    run(revision, extra = {}) {
      self.ensure({
        desired: DesiredState.RUNNING,
        generation: BigInt(revision),
        revision: BigInt(revision),
        spec: spec(),
        ...extra,
      });
    },
    stop: (generation, extra = {}) =>
      self.ensure({ desired: DesiredState.STOPPED, generation: BigInt(generation), ...extra }),
    async until(what, read, maxMs = 60_000) {
      const endMs = clock.monotonicMs() + maxMs;
      const found = await eventually(
        what,
        async () => {
          const value = await read();
          if (!value && clock.monotonicMs() < endMs) await clock.advanceSettled(20);
          return value || `nothing yet; done: ${runtime.done.join(', ')}; state ${BotState[self.state() ?? 0]}`;
        },
        (value) => typeof value !== 'string' || !value.startsWith('nothing yet'),
        { everyMs: 1 },
      );
      // The predicate lets only found values through.
      return found as Exclude<typeof found, string>;
    },
    async pass(ms) {
      // Steps of 100 ms, with real time between them for what is written to disk.
      for (let left = ms; left > 0; left -= 100) {
        await clock.advanceSettled(Math.min(100, left));
        for (let n = 0; n < 5; n += 1) await new Promise((resolve) => setImmediate(resolve));
      }
    },
    result: (taskId) => self.until(`task ${taskId} ends`, () => reports.results.find((one) => one.taskId === taskId)),
    observation: (botId = echo.botId) => reports.observations.findLast((one) => one.botId === botId),
    state: (botId) => self.observation(botId)?.state,
    async logText() {
      const store = await parts.logs.of(echo).store();
      const from = { afterSeq: 0, sameLog: true };
      const lines: string[] = [];
      const options = { follow: false, clock, signal: new AbortController().signal };
      for await (const batch of readLog(store, from, options)) lines.push(...batch.map(({ text }) => text));
      return lines;
    },
    recordFiles: () => readdir(join(dir, 'bots')),
    async recordText() {
      const [name, ...others] = (await self.recordFiles()).filter((file) => file.endsWith('.json'));
      if (name === undefined || others.length > 0) throw new Error('there is not one record');
      return readFile(join(dir, 'bots', name), 'utf8');
    },
    async restart(suspending = false) {
      await parts.registry.close(suspending);
      await parts.logs.close();
      if (suspending) await runtime.shutdown(0);
      parts = compose();
      await parts.registry.adopt();
    },
    async close() {
      await parts.registry.close(false);
      await parts.logs.close();
      await rm(dir, { recursive: true, force: true });
    },
  };
  await parts.registry.adopt();
  return self;
}

export const failureOf = ({ outcome }: TaskResult) => (outcome.case === 'failed' ? outcome.value : undefined);
export const successOf = ({ outcome }: TaskResult) => (outcome.case === 'succeeded' ? outcome.value : undefined);

export const desiredSet = (...bots: MessageInitShape<typeof EnsureSchema>[]) => create(DesiredSetSchema, { bots });
