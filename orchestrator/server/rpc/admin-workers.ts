/** The part of AdminService that is about workers: see proto/botrunner/v1/admin_service.proto. */
import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { ServiceImpl } from '@connectrpc/connect';
import type { Clock } from '#common/clock.ts';
import { ProblemError, problem, refuse } from '#common/problem.ts';
import {
  type AdminService,
  DrainOutcome,
  FreedBotOutcome,
  type WorkerSchema,
  WorkerState,
} from '#gen/botrunner/v1/admin_service_pb.js';
import { mayRun } from '../../core/quota.ts';
import type { WorkerRecord } from '../../core/records.ts';
import type { Engine } from '../../engine/engine.ts';
import type { FreedBot } from '../../engine/forgetting.ts';
import type { Drain, DrainStep } from '../../fleet/drain.ts';
import type { Fleet, Presence } from '../../fleet/fleet.ts';
import type { Store } from '../../store/store.ts';
import type { Reading } from '../../store/tables.ts';
import { wantBotsOfWorker, wantWorker } from '../../store/want.ts';
import type { WorkerCredentials } from '../worker-credentials.ts';
import { safetyReport } from './admin-safety.ts';
import { type AdminStraysDeps, decidableStrays } from './admin-strays.ts';
import { call, stream } from './call.ts';

export interface AdminWorkersDeps extends AdminStraysDeps {
  readonly clock: Clock;
  readonly store: Store;
  readonly fleet: Fleet;
  readonly engine: Engine;
  readonly drain: Drain;
  readonly credentials: WorkerCredentials;
}

type WorkerCalls = Pick<
  ServiceImpl<typeof AdminService>,
  'listWorkers' | 'cordonWorker' | 'uncordonWorker' | 'drainWorker' | 'revokeWorker' | 'readmitWorker' | 'forgetWorker'
>;

const outcomes: Readonly<Record<DrainStep['outcome'], DrainOutcome>> = {
  moving: DrainOutcome.MOVING,
  moved: DrainOutcome.MOVED,
  stays: DrainOutcome.STAYS,
};

const freedOutcomes: Readonly<Record<FreedBot['outcome'], FreedBotOutcome>> = {
  stopped: FreedBotOutcome.STOPPED,
  removed: FreedBotOutcome.REMOVED,
  moved: FreedBotOutcome.MOVED,
};

export function createAdminWorkers(deps: AdminWorkersDeps): WorkerCalls {
  const { store, fleet, engine, drain, credentials, logger } = deps;
  const find = (tx: Reading, workerId: string): WorkerRecord => {
    const worker = tx.workers.get(workerId);
    if (worker === undefined) throw notFound();
    return worker;
  };
  const cordon = async (workerId: string, cordoned: boolean) => {
    const known = await store.change([wantWorker(workerId)], (tx) => tx.workers.setCordoned(workerId, cordoned));
    if (!known) throw notFound();
    logger.info({ workerId, cordoned }, 'a worker was cordoned or uncordoned');
    // What waits for a worker says why, or goes there now.
    await engine.placeWaiting();
    return { worker: await store.look([wantWorker(workerId)], (tx) => show(deps, tx, find(tx, workerId))) };
  };
  const shutOut = async (workerId: string, forGood: boolean) => {
    await store.look([wantWorker(workerId)], ({ workers }) => {
      if (workers.get(workerId) === undefined && workers.access(workerId) === undefined) throw notFound();
      if (workers.get(workerId)?.runtime !== 'rest') return;
      refuse('PERMISSION_DENIED', `The worker ${workerId} speaks REST and has no credential of its own.`, {
        hint: 'Change WORKER_TOKEN, or revoke the named token it uses.',
      });
    });
    await (forGood ? credentials.revoke(workerId) : credentials.readmit(workerId));
    fleet.expel(workerId, new ProblemError(problem('UNAUTHENTICATED', 'The credential of the worker was revoked.')));
    logger.info({ workerId, forGood }, 'the credential of a worker was revoked');
    return {};
  };
  return {
    listWorkers: call(deps, 'admin', () =>
      store.look([], (tx) => ({ workers: tx.workers.all().map((worker) => show(deps, tx, worker)) })),
    ),
    cordonWorker: call(deps, 'admin', ({ workerId }) => cordon(workerId, true)),
    uncordonWorker: call(deps, 'admin', ({ workerId }) => cordon(workerId, false)),
    drainWorker: stream(deps, 'admin', async function* ({ workerId, leaveData }, _identity, context) {
      await store.look([wantWorker(workerId), wantBotsOfWorker(workerId)], (tx) => {
        find(tx, workerId);
        if (!leaveData) refuseToLeaveData(tx, workerId);
      });
      for await (const step of drain.run(workerId, context.signal)) yield { ...step, outcome: outcomes[step.outcome] };
    }),
    revokeWorker: call(deps, 'admin', ({ workerId }) => shutOut(workerId, true)),
    readmitWorker: call(deps, 'admin', ({ workerId }) => shutOut(workerId, false)),
    forgetWorker: call(deps, 'admin', async ({ workerId, hostIsOff }) => {
      const known = await store.look([wantWorker(workerId)], (tx) => {
        find(tx, workerId);
        return { isForgotten: tx.workers.isForgotten(workerId), access: tx.workers.access(workerId) };
      });
      if (!hostIsOff) {
        refuse('MISSING_REQUIRED_FIELD', "It was not confirmed that the worker's host is off.", {
          details: { field: 'host_is_off' },
          hint: 'Make sure that no bot is running there, then confirm.',
          example: `avtomatika-bot worker forget ${workerId}`,
        });
      }
      if (known.isForgotten) return { bots: [] };
      refuseConnected(deps, workerId);
      // From here on nobody speaks as the worker; a worker that joins under its id starts from scratch.
      if (known.access?.revoked === false) await credentials.readmit(workerId);
      fleet.expel(workerId, new ProblemError(problem('UNAUTHENTICATED', 'The worker was forgotten.')));
      const freed = await engine.forgetWorker(workerId);
      logger.warn({ workerId, bots: freed.length }, 'a worker was forgotten by its operator; its bots are free');
      return { bots: freed.map((bot) => ({ ...bot, outcome: freedOutcomes[bot.outcome] })) };
    }),
  };
}

/** A worker last seen a moment ago may still run its bots. */
function refuseConnected({ fleet }: AdminWorkersDeps, workerId: string): void {
  if (fleet.isSilent(workerId)) return;
  const { silentMs } = fleet.presence(workerId);
  refuse(
    'WORKER_CONNECTED',
    silentMs === undefined
      ? `This orchestrator has just started and cannot tell yet whether the worker ${workerId} is away.`
      : `The worker ${workerId} was heard from ${Math.round(silentMs / 1000)} s ago.`,
    { details: { worker_id: workerId } },
  );
}

/** Names the bots that a drain would part from their data. */
function refuseToLeaveData({ bots, botVolumes }: Reading, workerId: string): void {
  const left = bots
    .ofWorker(workerId)
    .filter((bot) => mayRun(bot) && botVolumes.workersOf(bot).includes(workerId))
    .map(({ userId, botId }) => `${botId} of ${userId}`)
    .sort();
  if (left.length === 0) return;
  const shown = left.slice(0, namedMax).join(', ');
  const more = left.length > namedMax ? ` and ${left.length - namedMax} more` : '';
  refuse('DATA_LEFT_BEHIND', `What these bots keep would stay on ${workerId}: ${shown}${more}.`, {
    details: { worker_id: workerId, bots: left },
    example: `avtomatika-bot worker drain ${workerId} --leave-data`,
  });
}

const namedMax = 10;

const notFound = () => new ProblemError(problem('WORKER_NOT_FOUND', 'There is no worker of that id.'));

function show(deps: AdminWorkersDeps, tx: Reading, worker: WorkerRecord): MessageInitShape<typeof WorkerSchema> {
  const { fleet, clock } = deps;
  const { workerId } = worker;
  const presence = fleet.presence(workerId);
  const placed = tx.bots.ofWorker(workerId);
  const bots = placed.filter(({ desired }) => desired !== 'removed');
  const pending =
    placed.filter(({ pendingTask }) => pendingTask !== null).length + tx.leftovers.ofWorker(workerId).length;
  const running = bots.filter(mayRun);
  const strays = decidableStrays(deps, tx, workerId).length;
  const { safety, unsafe } = presence;
  const holder = presence.connected ? undefined : deps.adoption.holdersOf(workerId)[0];
  const lastSeenAt =
    presence.silentMs === undefined ? worker.lastSeenAt : Math.round(clock.wallMs()) - presence.silentMs;
  return {
    workerId,
    ...withHolder(withStrays(withPending(withUnsafe(stateOf(presence), unsafe), pending), workerId, strays), holder),
    startsRefused: unsafe !== undefined,
    ...(safety && { safety: safetyReport(safety, clock.monotonicMs()) }),
    pending,
    strays,
    cordoned: tx.workers.isCordoned(workerId),
    revoked: tx.workers.access(workerId)?.revoked ?? false,
    runtime: worker.runtime,
    engineVersion: worker.engineVersion,
    version: worker.version,
    capacity: { memoryBytes: BigInt(worker.memoryBytes), cpuMillis: worker.cpuMillis },
    reserved: {
      memoryBytes: BigInt(running.reduce((sum, bot) => sum + bot.memoryBytes, 0)),
      cpuMillis: running.reduce((sum, bot) => sum + bot.cpuMillis, 0),
    },
    labels: { ...worker.labels },
    capabilities: [...worker.capabilities],
    bots: bots.length,
    runningBots: running.length,
    firstSeenAt: timestampFromMs(worker.firstSeenAt),
    lastSeenAt: timestampFromMs(lastSeenAt),
  };
}

/** Why it takes no new bots, though it could. */
function withUnsafe<T extends { readonly reason: string }>(state: T, unsafe: string | undefined): T {
  if (unsafe === undefined) return state;
  const reason = `no new bots are started there, because ${unsafe}; see: avtomatika-bot doctor`;
  return { ...state, reason: state.reason === '' ? reason : `${state.reason}; ${reason}` };
}

/** What waits for the worker belongs to the reason. */
function withPending<T extends { readonly reason: string }>(state: T, pending: number): T {
  if (pending === 0) return state;
  const waits =
    pending === 1 ? '1 stop or removal is waiting for it' : `${pending} stops and removals are waiting for it`;
  return { ...state, reason: state.reason === '' ? waits : `${state.reason}; ${waits}` };
}

/** What an operator has to decide about belongs to it too. */
function withStrays<T extends { readonly reason: string }>(state: T, workerId: string, strays: number): T {
  if (strays === 0) return state;
  const what = strays === 1 ? '1 bot container is' : `${strays} bot containers are`;
  const reason = `${what} there that it does not recognise: avtomatika-bot worker adopt ${workerId} --list`;
  return { ...state, reason: state.reason === '' ? reason : `${state.reason}; ${reason}` };
}

/** A worker that lost its DATA_DIR comes back under another name, beside the containers of its former one. */
function withHolder<T extends { readonly reason: string }>(state: T, holder: string | undefined): T {
  if (holder === undefined) return state;
  const cure = `worker forget, then: avtomatika-bot worker adopt ${holder} --list`;
  return {
    ...state,
    reason: `${state.reason}; its containers are on the engine of ${holder}: if its DATA_DIR is lost, ${cure}`,
  };
}

function stateOf(presence: Presence): { readonly state: WorkerState; readonly reason: string } {
  if (!presence.connected) return { state: WorkerState.AWAY, reason: 'not connected' };
  const silent = `not heard from for ${Math.round((presence.silentMs ?? 0) / 1000)} s`;
  if (presence.away) return { state: WorkerState.AWAY, reason: silent };
  if (presence.suspect) return { state: WorkerState.SUSPECT, reason: silent };
  if (!presence.ready) return { state: WorkerState.NOT_READY, reason: presence.notReadyReason };
  return { state: WorkerState.READY, reason: '' };
}
