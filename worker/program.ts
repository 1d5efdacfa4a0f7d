/** The worker, composed: state, runtime, bots, logs, session. Used by main.ts, by `npm start` and by tests. */

import { mkdir, rm } from 'node:fs/promises';
import { uptime } from 'node:os';
import { join } from 'node:path';
import { guardedClock, inBackground } from '#common/background.ts';
import type { Clock } from '#common/clock.ts';
import { createGarbageCollector } from '#common/collect-garbage.ts';
import { type BotKey, botKeyText } from '#common/ids.ts';
import type { Logger } from '#common/log.ts';
import { openText, sealText } from '#common/seal.ts';
import { pause } from '#common/waiting/bell.ts';
import { fairSemaphore } from '#common/waiting/semaphore.ts';
import { withTimeLimit } from '#common/waiting/time-limit.ts';
import { createBotRecords } from './bots/bot-records.ts';
import { BotRegistry } from './bots/bot-registry.ts';
import { type Commands, createWorkerCommands } from './commands.ts';
import type { WorkerConfig } from './config.ts';
import { createAskTelegram } from './diagnosis/ask-telegram.ts';
import { createPreflight, noPreflight, preflightBase } from './diagnosis/preflight.ts';
import { createContainerLookup } from './engine/container-lookup.ts';
import { DiskWatch } from './engine/disk-watch.ts';
import { type EngineHealth, EngineWatch } from './engine/engine-watch.ts';
import { createOutages } from './engine/outages.ts';
import { StrayDecisions } from './engine/stray-decisions.ts';
import { BotLogs } from './logs/bot-logs.ts';
import { logLimits } from './logs/log-store.ts';
import { secretValues } from './logs/masking.ts';
import { createRuntime, type RuntimeParts } from './make-runtime.ts';
import { sayHealth, warnAboutSettings } from './notices.ts';
import type { ContainerRuntime } from './runtime/container-runtime.ts';
import { createSafetyWatch, type SafetyWatch } from './safety/safety-watch.ts';
import { createStartGate, type GateState, openGate, type StartGate } from './safety/start-gate.ts';
import { createToldSafety } from './safety/told-safety.ts';
import { ArtifactCache, defaultCacheMaxBytes } from './session/artifact-cache.ts';
import { complaintOf } from './session/complaints.ts';
import { probe } from './session/probe.ts';
import { ResultJournal } from './session/result-journal.ts';
import { Tails } from './session/tails.ts';
import { createTokenClaims } from './session/token-claims.ts';
import { createTrustedRoots, rootsFilesOf } from './session/trusted-roots.ts';
import { Uplink, type UplinkParts } from './session/uplink.ts';
import { openAgeClock } from './state/age-mark.ts';
import { SpareRoom } from './state/small-files.ts';
import { openStateDir, type StateDir } from './state/state-dir.ts';

export interface WorkerOptions {
  readonly config: WorkerConfig;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Instead of the one that config.runtime names. */
  readonly runtime?: (parts: RuntimeParts) => ContainerRuntime;
  /** In [0, 1); Math.random unless given. */
  readonly random?: () => number;
}

export interface RunningWorker {
  readonly workerId: string;
  /** True while there is a session with an orchestrator. */
  connected(): boolean;
  /** Why there is no session; empty while there is one. */
  complaint(): string;
  health(): EngineHealth;
  /** Makes the safety checks now; nothing without STRANGERS. */
  checkSafety(): Promise<void>;
  /** Ends cleanly, within 10 s: Docker bots keep running, bots of the process runtime end and come back next time. */
  stop(): Promise<void>;
}

/** The orchestrator does not take this worker as it is configured; the message says what to change. */
class WorkerRefusedError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'WorkerRefusedError';
  }
}

const firstDialLimitMs = 5000;
// Within the bound of common/run-program.ts. Of it bots of the process runtime have what the steps before leave, usually
// nearly all, for their own end.
const shutdownMs = 9_000;
/** Sources and images that are fetched at once. They wait for servers more than they use the machine. */
const fetchesMax = 8;
const botGraceMs = 7_000;
const killMs = 1_000;

/**
 * Adopts what runs, then connects. Throws when the state folder is in use, and WorkerRefusedError when the worker never had a
 * session and the first orchestrator dialled does not take its token. An orchestrator or engine that is away is waited for,
 * and one that refuses the worker until it does not.
 */
export async function startWorker(options: WorkerOptions): Promise<RunningWorker> {
  const state = await openStateDir(options.config.dir, options.config.workerId);
  try {
    return await compose(options, state);
  } catch (error) {
    await state.close();
    throw error;
  }
}

async function compose(options: WorkerOptions, state: StateDir): Promise<RunningWorker> {
  const { config, logger, random = Math.random, runtime: makeRuntime = createRuntime } = options;
  const { workerId } = state;
  const clock = guardedClock(options.clock, (error) =>
    logger.error({ err: error }, 'a timer failed; the others continue'),
  );
  warnAboutSettings(config, state, logger);
  const runtime = makeRuntime({ config, state, clock, logger });
  const outages = createOutages(clock.wallMs() - uptime() * 1000);
  const small = await SpareRoom.open({ dir: config.dir, clock, logger });
  const journal = await ResultJournal.open(state.resultsDir, logger, small);
  const { orchestrators: endpoints, workerToken: joinToken } = config;
  const { credential } = state;
  const roots = createTrustedRoots(rootsFilesOf(process.env), logger);
  const probeWith: UplinkParts['probe'] = (endpoint, signal) => probe(endpoint, signal, { roots });
  const uplink = new Uplink({
    endpoints,
    joinToken,
    credential,
    workerId,
    clock,
    logger,
    random,
    journal,
    roots,
    probe: probeWith,
  });
  const limits = logLimits(config.botLogMaxBytes, config.botLogMaxAgeMs);
  const ages = await openAgeClock(config.dir, clock, logger);
  const logContext = { runtime, clock, logger, limits, ageNowMs: () => ages.nowMs() };
  const logs = new BotLogs(state.logsDir, logContext, createGarbageCollector(), config.userLogMaxBytes);
  const lookup = createContainerLookup(runtime, clock);
  const artifacts = await ArtifactCache.open({
    dir: state.artifactsDir,
    sealKey: state.sealKey,
    clock,
    logger,
    cacheMaxBytes: defaultCacheMaxBytes,
    channel: () => uplink.channel,
  });
  const fetchDir = join(config.dir, 'fetch');
  // What a process before this one was fetching when it was killed.
  await rm(fetchDir, { recursive: true, force: true });
  await mkdir(fetchDir, { mode: 0o700 });
  const base = preflightBase(config.telegramPreflight, config.telegramApiBase);
  const sealedTo = (key: BotKey) => `secrets of ${botKeyText(key)}`;
  let gateBefore: GateState = 'waits';
  const safety: SafetyWatch | undefined = config.strangers
    ? createSafetyWatch({
        runtime,
        settings: config,
        clock,
        logger,
        random,
        onReport: () => {
          const gate = startGate();
          if (gate !== gateBefore) registry.gateMoved();
          gateBefore = gate;
          uplink.beat(commands.heartbeat());
        },
      })
    : undefined;
  const startGate: StartGate = safety === undefined ? openGate : createStartGate(safety);
  const registry: BotRegistry = new BotRegistry({
    logs,
    lookup,
    resendResult: (taskId) => uplink.resendResult(taskId),
    onObservation: (observation) => uplink.observed(observation),
    onStrays: (found) => strays.seen(found),
    worker: {
      workerId,
      runtime,
      clock,
      logger,
      random,
      defaults: {
        memoryBytes: config.memoryBytes,
        cpuMillis: config.cpuMillis,
        ...(config.diskMode !== 'off' && { disk: { dataBytes: config.diskBytes, layerBytes: config.layerBytes } }),
        env: config.telegramApiBase === undefined ? {} : { TELEGRAM_API_BASE: config.telegramApiBase },
      },
      operatorSecrets: config.httpsProxy ? secretValues({ HTTPS_PROXY: config.httpsProxy.reveal() }) : [],
      slots: fairSemaphore(config.buildSlots),
      quickSlots: fairSemaphore(config.buildSlots),
      fetchSlots: fairSemaphore(fetchesMax),
      artifacts,
      fetching: { dir: fetchDir, allow: config.fetchAllow, clock },
      startGate,
      preflight: base === undefined ? noPreflight : createPreflight(base, createAskTelegram(base, clock)),
      tokenClaims: createTokenClaims(() => uplink.channel),
      records: createBotRecords(state.botsDir, logger, small),
      reports: uplink,
      lookup: (key) => lookup.find(key),
      strayOf: (key) => lookup.strayOf(key),
      wasInterrupted: (finishedAtMs) => outages.covers(finishedAtMs),
      sealFor: (key, plain) => sealText(state.sealKey, plain, sealedTo(key)),
      openFor: (key, sealed) => openText(state.sealKey, sealed, sealedTo(key)),
    },
  });
  const strays: StrayDecisions = new StrayDecisions({
    workerId,
    runtime,
    clock,
    logger,
    onStrays: (message) => uplink.strays(message),
    onAdopted: (adopted) => uplink.adopted(adopted),
    resync: () => registry.resync(),
  });
  const tails = new Tails({ logs, clock, logger, hasBot: (key) => registry.has(key) });
  let saidReady: boolean | undefined;
  const watch: EngineWatch = new EngineWatch(runtime, clock, logger, outages, {
    onEvent: (event) => registry.happened(event),
    onResync: () => registry.resync(),
    onReturn: () => registry.engineReturned(),
    onHealth(health) {
      if (health.ready !== saidReady) sayHealth(config, health, logger);
      saidReady = health.ready;
      // What the machine has is only sent in Hello.
      if (health.info && !commands.toldEngine) uplink.renew();
      else uplink.beat(commands.heartbeat());
    },
  });
  const diskWatch = new DiskWatch({
    runtime,
    clock,
    logger,
    running: () => registry.running,
    onMeasure: (measure) => registry.measured(measure),
  });
  const commands: Commands = createWorkerCommands({
    state,
    registry,
    strays,
    logs: tails,
    health: () => watch.health,
    runtimeKind: runtime.kind,
    labels: config.labels,
    safety: createToldSafety(safety, clock),
    logger,
  });
  const stopping = new AbortController();
  let stopped: Promise<void> | undefined;
  const stop = () => {
    stopped ??= endAll();
    return stopped;
  };
  const endAll = async () => {
    stopping.abort();
    safety?.stop();
    // First no more commands come in, then nothing acts, then the runtime and the files are released. Each step is bounded, so
    // that a hung engine or disk does not hold up the steps after it.
    const endMs = clock.monotonicMs() + shutdownMs;
    const leftMs = () => Math.max(0, endMs - clock.monotonicMs());
    const step = (what: string, mostMs: number, work: () => Promise<void>) =>
      withTimeLimit(clock, what, Math.min(mostMs, leftMs() + killMs), undefined, work).catch((error: unknown) =>
        logger.error({ err: error, step: what }, 'a shutdown step failed'),
      );
    await step('ending the session', 1_000, () => uplink.stop());
    await step('stopping the engine watch', 500, async () => {
      await Promise.all([watch.stop(), diskWatch.stop()]);
    });
    await step('finishing work on bots', 2_000, () => registry.close(runtime.kind === 'process'));
    await step('closing the journal', 500, async () => {
      await journal.close();
      await small.close();
    });
    await step('closing the logs', 1_000, () => logs.close());
    const graceMs = Math.min(botGraceMs, Math.max(0, leftMs() - killMs));
    await step('closing the runtime', graceMs + killMs, () => runtime.shutdown(graceMs));
    await step('releasing the folder', killMs, () => state.close());
    logger.info('worker has stopped');
  };
  try {
    await watch.start();
    safety?.start();
    await registry.adopt();
    if (config.diskMode !== 'off' && runtime.kind === 'docker') diskWatch.start();
    uplink.start(commands);
    inBackground(logs.keepSweeping(stopping.signal), (error) =>
      logger.error({ err: error }, 'old logs could not be removed'),
    );
    const waited = new AbortController();
    const first = await Promise.race([
      uplink.firstDial,
      pause(clock, firstDialLimitMs, waited.signal).then(() => undefined),
    ]);
    waited.abort();
    // A folder that never had a session, and a refused token: a mistake in the settings, reported at once. Every other refusal
    // can be taken back by an operator, and is waited out.
    if (first?.kind === 'refused' && first.tokenWrong && state.storeId() === undefined) {
      throw new WorkerRefusedError(complaintOf(endpoints[0] ?? { url: '' }, workerId, first).text);
    }
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    workerId,
    connected: () => uplink.connected,
    complaint: () => uplink.complaint,
    health: () => watch.health,
    async checkSafety() {
      await safety?.ofLast(-1, stopping.signal);
    },
    stop,
  };
}
