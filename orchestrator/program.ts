/** The orchestrator, composed: store, engine, fleet and doors. Used by main.ts, by `npm start` and by tests. */

import { ulid } from 'ulid';
import { guardedClock, inBackground, nextTurn, repeat } from '#common/background.ts';
import { type Clock, systemClock } from '#common/clock.ts';
import type { Logger } from '#common/log.ts';
import type { OrchestratorConfig } from './config.ts';
import { botRunner } from './core/blueprints/bot-runner.ts';
import { testWorkflow } from './core/blueprints/test-workflow.ts';
import { type BotRecord, isFinal, type ShownBot } from './core/records.ts';
import { userLimitsOf } from './core/user-limits.ts';
import { defaultEngineSettings } from './engine/context.ts';
import { desiredKeys } from './engine/desired-set.ts';
import { Engine } from './engine/engine.ts';
import { SourcePruning } from './engine/source-pruning.ts';
import { SourceSealing } from './engine/source-sealing.ts';
import { damagedReason, isDamaged } from './engine/specs.ts';
import { BotsSnapshots } from './events/bots-snapshots.ts';
import { EventFeed } from './events/feed.ts';
import { NatsPublisher } from './events/nats/publisher.ts';
import { Adoption } from './fleet/adoption.ts';
import { type DesiredSource, nextToTell } from './fleet/desired.ts';
import { Drain } from './fleet/drain.ts';
import { defaultFleetTimes, Fleet, type FleetTimes } from './fleet/fleet.ts';
import { tellWorkers } from './fleet/reconcile.ts';
import { RestWorkers } from './fleet/rest/rest-workers.ts';
import { taskParams } from './fleet/rest/task-params.ts';
import { Restore } from './fleet/restore.ts';
import type { SessionDeps } from './fleet/session.ts';
import { WorkerWatch } from './fleet/worker-watch.ts';
import { BotLogReader } from './logs/bot-log-reader.ts';
import { BuildOutputHub } from './logs/build-output-hub.ts';
import { readLogText } from './logs/log-text.ts';
import { createOwnSafety, type OwnSafety } from './safety/own-safety.ts';
import { createAdmission } from './server/admission/admission.ts';
import { usualRates } from './server/admission/usual-rates.ts';
import { type ConfiguredToken, TokenBook } from './server/auth.ts';
import { createDoors } from './server/doors.ts';
import { boundsOf, Connections } from './server/port/connections.ts';
import { openPort } from './server/port/port.ts';
import { stoppingError } from './server/rpc/cut-short.ts';
import { readTlsPair, watchTlsFiles } from './server/tls-files.ts';
import { WorkerCredentials } from './server/worker-credentials.ts';
import { openAgeClock } from './store/ages.ts';
import { Pruning } from './store/pruning.ts';
import { openSecretsKey } from './store/secrets-key.ts';
import { openSqliteStore, type SqliteOptions } from './store/sqlite.ts';
import { wantBot, wantBotsOfWorker } from './store/want.ts';

export interface OrchestratorOptions {
  readonly config: OrchestratorConfig;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly fleetTimes?: FleetTimes;
  readonly store?: SqliteOptions;
}

export interface RunningOrchestrator {
  readonly port: number;
  readonly url: string;
  /** Ends cleanly: answers what is under way, ends streams, closes the store. Workers and bots keep running. */
  stop(): Promise<void>;
}

const maxArtifactBytes = 200 * 1000 * 1000;
const reconcileMs = 5_000;
const closeGraceMs = 3_000;

function configuredTokens(config: OrchestratorConfig): readonly ConfiguredToken[] {
  return [
    { token: config.clientToken, userId: 'dev', scope: 'client', name: 'CLIENT_TOKEN' },
    { token: config.workerToken, userId: 'worker', scope: 'worker', name: 'WORKER_TOKEN' },
    ...(config.adminToken
      ? [{ token: config.adminToken, userId: 'admin', scope: 'admin', name: 'ADMIN_TOKEN' } as const]
      : []),
  ];
}

/** A bot's row; what events keep of one has no spec. */
const hasSpec = (bot: ShownBot): bot is BotRecord => 'specSealed' in bot;

export async function startOrchestrator(options: OrchestratorOptions): Promise<RunningOrchestrator> {
  const { config, logger } = options;
  const guarded = (clock: Clock) =>
    guardedClock(clock, (error) => logger.error({ err: error }, 'a timer failed; the others continue'));
  const clock = guarded(options.clock);
  const times = options.fleetTimes ?? defaultFleetTimes;
  // The disk is a real one, however time passes for everything else.
  const store = openSqliteStore(config.dir, logger, { clock: guarded(systemClock), ...options.store });
  const sealKey = await openSecretsKey(config, store).catch(async (error: unknown) => {
    await store.close();
    throw error;
  });
  const madeId = ulid();
  const storeId = await store.change([], ({ meta }) => {
    const known = meta.get('store_id');
    if (known === undefined) meta.put('store_id', madeId);
    return known ?? madeId;
  });
  const restore = await Restore.open({ store, logger, accepted: config.acceptRestore }, clock.wallMs());
  const { histories } = restore;
  const credentials = await WorkerCredentials.load(store);
  const tokens = await TokenBook.load(store, configuredTokens(config), clock.wallMs(), credentials);
  const { tls: tlsPaths, strangers, hasTrustedProxies } = config;
  const ownSafety: OwnSafety = createOwnSafety({
    strangers,
    settings: {
      tokens: { CLIENT_TOKEN: config.clientToken, WORKER_TOKEN: config.workerToken, ADMIN_TOKEN: config.adminToken },
      readCertificate: tlsPaths && (async () => (await readTlsPair(tlsPaths)).cert),
      hasTrustedProxies,
      now: () => clock.wallMs(),
    },
    clock,
    logger,
    onHold: () =>
      inBackground(engine.placeWaiting(), (error) => logger.error({ err: error }, 'waiting jobs could not be placed')),
  });
  const fleet: Fleet = new Fleet(
    clock,
    times,
    await store.look([], (tx) => tx.workers.all().map(({ workerId, runtime }) => [workerId, runtime] as const)),
    (bot) => (hasSpec(bot) && isDamaged(sealKey, bot) ? damagedReason : restore.reasonOf(bot)),
    { strangers: config.strangers, ownHold: () => ownSafety.holds() },
  );
  const botLogs = new BotLogReader(fleet, clock, (bot) =>
    store.look([wantBot(bot)], (tx) => tx.bots.get(bot)?.workerId),
  );
  const feed = new EventFeed({ store, clock, logger, runtimeOf: (workerId) => fleet.runtimeOf(workerId) });
  const snapshots = new BotsSnapshots({ store, storeId, fleet, clock });
  const buildOutput = new BuildOutputHub();
  const { maxBotsPerUser, maxKeptBotsPerUser, maxSourceBytesPerUser, maxJobBytesPerUser, maxRuntimeMs } = config;
  const limits = { maxBotsPerUser, maxKeptBotsPerUser, maxSourceBytesPerUser, maxJobBytesPerUser };
  const settings = { ...defaultEngineSettings, ...limits, maxRuntimeMs };
  const freeSources = (userId: string): Promise<boolean> => sourcePruning.free(userId);
  const ages = await openAgeClock(store, clock, logger);
  const sourcePruning = new SourcePruning({ store, sealKey, clock, logger, ageNowMs: () => ages.nowMs() });
  const engine: Engine = await Engine.open({
    store,
    clock,
    logger,
    sealKey,
    settings,
    blueprints: new Map([botRunner, testWorkflow].map((blueprint) => [blueprint.name, blueprint])),
    freeSources,
    taskOffered: (type) => restWorkers.offered(type),
    fleet,
    decided: (bot) => histories.decided(bot),
    isHeld: (bot) => histories.isHeld(bot),
    seenNumbers: (bot) => histories.seen(bot),
    seen: (shown) => {
      const { bot, state } = fleet.view(shown);
      return { ...bot, state };
    },
    jobChanged: (job) => {
      if (isFinal(job.status)) buildOutput.forget(job.jobId);
    },
    readLogText: (bot, lines, signal) =>
      readLogText(botLogs.read(bot, { lines, follow: false, afterCursor: '' }, signal)),
  });
  const restWorkers: RestWorkers = new RestWorkers({
    store,
    fleet,
    engine,
    clock,
    logger,
    paramsOf: (ensure) => taskParams({ store, sealKey }, ensure),
  });
  const adoption = new Adoption(fleet, clock);
  const drain = new Drain({ store, engine, clock });
  const workerWatch = await WorkerWatch.open({ store, fleet, engine, clock, logger });
  const bounds = {
    maxMemoryBytes: config.maxMemoryBytes,
    maxCpuMillis: config.maxCpuMillis,
    maxDiskBytes: config.maxDiskBytes,
    maxPids: config.maxPids,
    fetchAllow: config.fetchAllow,
  };
  const desired: DesiredSource = {
    all: (tx, workerId) => engine.desiredBots(tx, workerId),
    of: (tx, workerId, key) => engine.desiredOf(tx, workerId, key),
    keys: desiredKeys,
    kept: (tx, workerId) => histories.kept(tx.bots, workerId),
    // While it holds something, the worker continues to remember the history in which it knows it.
    now: (tx, workerId) =>
      histories.holdsAny(tx.bots, workerId) ? undefined : histories.momentOf(tx.outbox.lastSeq()),
  };
  const session: SessionDeps = {
    store,
    desired,
    restore,
    engine,
    fleet,
    adoption,
    times,
    clock,
    logger,
    sealKey,
    buildOutput,
    storeId,
  };
  const draining = new AbortController();
  const stopping = new AbortController();
  const connections = new Connections(boundsOf(config.maxConnections));
  const { isProxy, loopback, developmentTokens, publicNames, corsOrigins } = config;
  const admission = createAdmission({
    tokens,
    logger,
    isProxy,
    connections,
    visitors: { loopback, developmentTokens, publicNames, origins: corsOrigins },
    rates: usualRates(config.requestsPerSecond),
  });
  if (!loopback && !developmentTokens && publicNames.length === 0) {
    logger.warn('PUBLIC_NAME is not set: the API may be called by any host name; set it to the names that you use');
  }
  const handler = createDoors(
    {
      tokens,
      credentials,
      drain,
      adoption,
      logger,
      engine,
      bounds,
      feed,
      snapshots,
      storeId,
      workerStatuses: () => workerWatch.statuses(),
      buildOutput,
      store,
      fleet,
      botLogs,
      clock,
      sealKey,
      session,
      restWorkers,
      maxArtifactBytes,
      limits,
      freeSources,
      corsOrigins,
      hsts: config.tls !== undefined,
      ownSafety,
    },
    admission,
    { draining: draining.signal, shutdown: stopping.signal },
  );
  await engine.start();
  ownSafety.start();
  await restWorkers.start();
  const tls = config.tls && (await readTlsPair(config.tls));
  const onError = (error: Error) => logger.error({ err: error }, 'a connection could not be accepted');
  const open = await openPort({
    host: config.host,
    port: config.port,
    handler,
    connections,
    isProxy,
    onError,
    ...(tls ? { tls } : {}),
  }).catch(async (error: unknown) => {
    ownSafety.stop();
    engine.stop();
    restWorkers.stop();
    await store.close();
    throw error;
  });
  const pruning = new Pruning(
    store,
    clock,
    logger,
    { ...config.retention, jobBytesOf: (userId) => userLimitsOf(limits, userId).jobBytes },
    ages,
  );
  pruning.run();
  sourcePruning.run();
  const sourceSealing = new SourceSealing({ store, sealKey, logger });
  sourceSealing.run();
  const natsPublisher =
    config.nats &&
    new NatsPublisher({ store, clock, logger, target: config.nats, render: (record) => feed.render(record) });
  natsPublisher?.start();
  workerWatch.start();
  const ending = new AbortController();
  const reconcile = () =>
    tellWorkers(
      fleet.sessions(),
      (facts) => {
        const wants = [wantBotsOfWorker(facts.workerId)];
        return nextToTell(desired, (work) => store.look(wants, work), facts, clock.monotonicMs());
      },
      ending.signal,
    );
  const cancelReconcile = repeat(clock, reconcileMs, reconcile, (error) => {
    logger.error({ err: error }, 'sending the desired state to workers failed');
  });
  const stopWatchingTls =
    config.tls && tls
      ? watchTlsFiles({ paths: config.tls, current: tls, clock, logger, use: (pair) => open.useTls(pair) })
      : () => undefined;
  const host = config.host.includes(':') ? `[${config.host}]` : config.host;
  const url = `${config.tls ? 'https' : 'http'}://${host === '127.0.0.1' ? 'localhost' : host}:${open.port}`;
  logger.info({ url }, 'orchestrator is listening');
  return {
    port: open.port,
    url,
    async stop() {
      ending.abort();
      cancelReconcile();
      stopWatchingTls();
      draining.abort();
      // What was said just now goes out before the streams end.
      await nextTurn();
      stopping.abort(stoppingError());
      fleet.close();
      await open.close(closeGraceMs);
      engine.stop();
      restWorkers.stop();
      pruning.stop();
      sourcePruning.stop();
      sourceSealing.stop();
      workerWatch.stop();
      ownSafety.stop();
      feed.close();
      await natsPublisher?.stop();
      await store.close();
      logger.info('orchestrator has stopped');
    },
  };
}
