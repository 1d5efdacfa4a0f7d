/** The part of AdminService that is about workers: see proto/botrunner/v1/admin_service.proto. */
import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { ServiceImpl } from '@connectrpc/connect';
import type { Clock } from '#common/clock.ts';
import { ProblemError, problem, refuse } from '#common/problem.ts';
import { type AdminService, DrainOutcome, type WorkerSchema, WorkerState } from '#gen/botrunner/v1/admin_service_pb.js';
import { mayRun } from '../../core/quota.ts';
import type { WorkerRecord } from '../../core/records.ts';
import type { Engine } from '../../engine/engine.ts';
import type { Drain, DrainStep } from '../../fleet/drain.ts';
import type { Fleet, Presence } from '../../fleet/fleet.ts';
import type { Store } from '../../store/store.ts';
import type { WorkerCredentials } from '../worker-credentials.ts';
import { type CallDeps, call, stream } from './call.ts';

export interface AdminWorkersDeps extends CallDeps {
  readonly clock: Clock;
  readonly store: Store;
  readonly fleet: Fleet;
  readonly engine: Engine;
  readonly drain: Drain;
  readonly credentials: WorkerCredentials;
}

type WorkerCalls = Pick<
  ServiceImpl<typeof AdminService>,
  'listWorkers' | 'cordonWorker' | 'uncordonWorker' | 'drainWorker' | 'revokeWorker' | 'readmitWorker'
>;

const outcomes: Readonly<Record<DrainStep['outcome'], DrainOutcome>> = {
  moving: DrainOutcome.MOVING,
  moved: DrainOutcome.MOVED,
  stays: DrainOutcome.STAYS,
};

export function createAdminWorkers(deps: AdminWorkersDeps): WorkerCalls {
  const { store, fleet, engine, drain, credentials, logger } = deps;
  const find = (workerId: string): WorkerRecord => {
    const worker = store.read.workers.get(workerId);
    if (worker === undefined) throw notFound();
    return worker;
  };
  const cordon = async (workerId: string, cordoned: boolean) => {
    const known = await store.write((tx) => tx.workers.setCordoned(workerId, cordoned));
    if (!known) throw notFound();
    logger.info({ workerId, cordoned }, 'a worker was cordoned or uncordoned');
    // What waits for a worker says why, or goes there now.
    await engine.placeWaiting();
    return { worker: show(deps, find(workerId)) };
  };
  const shutOut = async (workerId: string, forGood: boolean) => {
    if (store.read.workers.get(workerId) === undefined && store.read.workers.access(workerId) === undefined) {
      throw notFound();
    }
    if (store.read.workers.get(workerId)?.runtime === 'rest') {
      refuse('PERMISSION_DENIED', `The worker ${workerId} speaks REST and has no credential of its own.`, {
        hint: 'Change WORKER_TOKEN, or revoke the named token it uses.',
      });
    }
    await (forGood ? credentials.revoke(workerId) : credentials.readmit(workerId));
    fleet.expel(workerId, new ProblemError(problem('UNAUTHENTICATED', 'The credential of the worker was revoked.')));
    logger.info({ workerId, forGood }, 'the credential of a worker was revoked');
    return {};
  };
  return {
    listWorkers: call(deps, 'admin', () => ({ workers: store.read.workers.all().map((worker) => show(deps, worker)) })),
    cordonWorker: call(deps, 'admin', ({ workerId }) => cordon(workerId, true)),
    uncordonWorker: call(deps, 'admin', ({ workerId }) => cordon(workerId, false)),
    drainWorker: stream(deps, 'admin', async function* ({ workerId }, _identity, context) {
      find(workerId);
      for await (const step of drain.run(workerId, context.signal)) yield { ...step, outcome: outcomes[step.outcome] };
    }),
    revokeWorker: call(deps, 'admin', ({ workerId }) => shutOut(workerId, true)),
    readmitWorker: call(deps, 'admin', ({ workerId }) => shutOut(workerId, false)),
  };
}

const notFound = () => new ProblemError(problem('WORKER_NOT_FOUND', 'There is no worker of that id.'));

function show(deps: AdminWorkersDeps, worker: WorkerRecord): MessageInitShape<typeof WorkerSchema> {
  const { store, fleet, clock, credentials } = deps;
  const { workerId } = worker;
  const presence = fleet.presence(workerId);
  const bots = store.read.bots.ofWorker(workerId).filter(({ desired }) => desired !== 'removed');
  const running = bots.filter(mayRun);
  const lastSeenAt =
    presence.silentMs === undefined ? worker.lastSeenAt : Math.round(clock.wallMs()) - presence.silentMs;
  return {
    workerId,
    ...stateOf(presence),
    cordoned: store.read.workers.isCordoned(workerId),
    revoked: credentials.isRevoked(workerId),
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

function stateOf(presence: Presence): { readonly state: WorkerState; readonly reason: string } {
  if (!presence.connected) return { state: WorkerState.AWAY, reason: 'not connected' };
  const silent = `not heard of for ${Math.round((presence.silentMs ?? 0) / 1000)} s`;
  if (presence.away) return { state: WorkerState.AWAY, reason: silent };
  if (presence.suspect) return { state: WorkerState.SUSPECT, reason: silent };
  if (!presence.ready) return { state: WorkerState.NOT_READY, reason: presence.notReadyReason };
  return { state: WorkerState.READY, reason: '' };
}
