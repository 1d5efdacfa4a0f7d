/**
 * One worker session, from Hello to its end. Any failure ends it whole; the worker dials again and starts over.
 * Messages are handled in the order they came, many of them in one commit; what is acknowledged is on disk.
 */

import { isDeepStrictEqual } from 'node:util';
import { create } from '@bufbuild/protobuf';
import { ulid } from 'ulid';
import { inBackground } from '#common/background.ts';
import { capabilities } from '#common/capabilities.ts';
import type { Clock } from '#common/clock.ts';
import { workerIdPattern } from '#common/ids.ts';
import { checkLabels, workerLabelsMax } from '#common/labels.ts';
import type { Logger } from '#common/log.ts';
import { refuse } from '#common/problem.ts';
import type { Secret } from '#common/secret.ts';
import { protocolMax, protocolMin } from '#common/version.ts';
import { onAbort } from '#common/waiting/abort.ts';
import { inOrder } from '#common/waiting/in-order.ts';
import {
  type DesiredSet,
  type Ensure,
  type Hello,
  type SessionRequest,
  type SessionResponse,
  SessionResponseSchema,
} from '#gen/botrunner/v1/worker_service_pb.js';
import type { Engine } from '../engine/engine.ts';
import type { BuildOutputHub } from '../logs/build-output-hub.ts';
import type { Store } from '../store/store.ts';
import { wantBotsOfWorker, wantWorker } from '../store/want.ts';
import type { Adoption } from './adoption.ts';
import { type DesiredSource, tellAll, toldNothing, wholeSet } from './desired.ts';
import type { Fleet, FleetTimes, SessionFacts } from './fleet.ts';

import type { Restore } from './restore.ts';
import { SendQueue } from './send-queue.ts';

// Far more names than there are; the rest would only fill the store.
const capabilitiesMax = 100;
// As many as share one commit; more of one worker would only lie in memory.
const underWayMax = 512;

export interface SessionDeps {
  readonly store: Store;
  readonly restore: Restore;
  readonly engine: Engine;
  readonly fleet: Fleet;
  readonly adoption: Adoption;
  readonly times: FleetTimes;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly sealKey: Secret<Uint8Array>;
  readonly buildOutput: BuildOutputHub;
  readonly desired: DesiredSource;
  /** Names the store; the same for its whole life. */
  readonly storeId: string;
}

function checkHello(message: SessionRequest | undefined, workerId: string): Hello {
  if (message?.body.case !== 'hello') refuse('INVALID_WORKER', 'The first message of a session must be Hello.');
  const hello = message.body.value;
  if (!workerIdPattern.test(hello.workerId)) refuse('INVALID_WORKER', 'The worker id is not valid.');
  if (hello.workerId !== workerId) {
    refuse('PERMISSION_DENIED', `The credential belongs to worker ${workerId}.`, {
      hint: 'Give each worker its own DATA_DIR.',
    });
  }
  const labels = checkLabels(Object.entries(hello.labels), workerLabelsMax);
  if (!labels.ok) refuse('INVALID_WORKER', labels.problem.message);
  if (hello.protocolMin > protocolMax || hello.protocolMax < protocolMin) {
    refuse(
      'INVALID_WORKER',
      `The worker speaks session protocol ${hello.protocolMin} to ${hello.protocolMax}, the orchestrator ${protocolMin} to ${protocolMax}.`,
    );
  }
  return hello;
}

/**
 * Serves one session of the worker that the caller's credential names; the generator ends when the session does. Its values are messages that
 * go out together.
 */
export async function* serveSession(
  deps: SessionDeps,
  requests: AsyncIterable<SessionRequest>,
  workerId: string,
  signal: AbortSignal,
): AsyncGenerator<readonly SessionResponse[]> {
  const incoming = requests[Symbol.asyncIterator]();
  const first = await incoming.next();
  const hello = checkHello(first.done ? undefined : first.value, workerId);
  const queue = new SendQueue();
  const { fleet, engine, logger, times, desired, clock } = deps;
  const knowsChanges = hello.capabilities.includes(capabilities.desiredChanges);
  const facts: SessionFacts = {
    workerId: hello.workerId,
    sessionId: ulid(),
    bootId: hello.bootId,
    capabilities: hello.capabilities.slice(0, capabilitiesMax),
    labels: { ...hello.labels },
    patienceMs: 0,
    runtime: hello.runtime,
    memoryBytes: Number(hello.capacity?.memoryBytes ?? 0),
    cpuMillis: hello.capacity?.cpuMillis ?? 0,
    queue,
    told: knowsChanges ? toldNothing() : undefined,
  };
  fleet.assertNotFenced(workerId, hello.bootId);
  await remember(deps, hello, facts);
  const decidedAnew = await deps.restore.meet(hello);
  if (decidedAnew.length > 0) await engine.decideAnew(decidedAnew);
  if (hello.snapshot.length > 0) await engine.observe(hello.workerId, hello.snapshot);
  const desiredSet = await deps.store.look([wantBotsOfWorker(workerId)], (tx) => wholeSet(desired, tx, workerId));
  // In one turn with the look: nothing is sent to the session before its Welcome, and nothing decided since is missing in that.
  fleet.join(facts, hello.ready, hello.notReadyReason);
  logger.info({ workerId: hello.workerId, runtime: hello.runtime, version: hello.version }, 'worker joined');
  const letGo = onAbort(signal, () => queue.end(new Error('the connection was lost')));
  if (facts.told) tellAll(facts.told, desiredSet, clock.monotonicMs(), Math.random());
  queue.push({
    case: 'welcome',
    value: {
      $typeName: 'botrunner.v1.Welcome',
      sessionId: facts.sessionId,
      protocol: Math.min(protocolMax, hello.protocolMax),
      heartbeatIntervalMs: times.heartbeatMs,
      desiredSet: { ...desiredSet, openings: deps.restore.histories.openings() },
      storeId: deps.storeId,
    },
  });
  receive(deps, facts, incoming).then(
    () => queue.end(),
    (error: unknown) => queue.end(toError(error)),
  );
  try {
    await engine.placeWaiting();
    const knowsRemaining = facts.capabilities.includes(capabilities.deadlineRemaining);
    for await (const bodies of queue.drain())
      yield bodies.map((body) => create(SessionResponseSchema, { body: asKnown(body, knowsRemaining) }));
  } finally {
    letGo();
    const wasCurrent = fleet.isCurrent(facts);
    fleet.leave(facts);
    deps.adoption.left(facts);
    if (wasCurrent) await noteLeaving(deps, facts);
    logger.info({ workerId: hello.workerId }, 'worker session ended');
  }
}

/**
 * A worker before `deadline.remaining` compares the deadline with its own clock, which may be wrong: it gets none, and the
 * orchestrator ends the job. One that knows it gets what is left and no instant.
 */
function asKnown(body: SessionResponse['body'], knowsRemaining: boolean): SessionResponse['body'] {
  const known = ({ deadlineAt: _instant, remainingMs, ...rest }: Ensure): Ensure =>
    knowsRemaining && remainingMs !== undefined ? { ...rest, remainingMs } : rest;
  const knownSet = (set: DesiredSet): DesiredSet => ({ ...set, bots: set.bots.map(known) });
  switch (body.case) {
    case 'ensure':
      return { case: 'ensure', value: known(body.value) };
    case 'desiredSet':
      return { case: 'desiredSet', value: knownSet(body.value) };
    case 'desiredChanges':
      return { case: 'desiredChanges', value: { ...body.value, bots: body.value.bots.map(known) } };
    case 'welcome': {
      const { desiredSet } = body.value;
      return desiredSet === undefined
        ? body
        : { case: 'welcome', value: { ...body.value, desiredSet: knownSet(desiredSet) } };
    }
    default:
      return body;
  }
}

function receive(deps: SessionDeps, facts: SessionFacts, incoming: AsyncIterator<SessionRequest>): Promise<void> {
  return inOrder(
    incoming,
    {
      handle(message) {
        deps.fleet.heard(facts);
        return handle(deps, facts, message);
      },
      underWayMax,
      continues: () => deps.fleet.isCurrent(facts),
    },
    (error) => facts.queue.end(toError(error)),
  );
}

const toError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)));

/** Nearly all messages are heartbeats, after which there is nothing to wait for. */
function handle(deps: SessionDeps, facts: SessionFacts, message: SessionRequest): Promise<void> | undefined {
  const { body } = message;
  if (body.case !== 'heartbeat') return handleOther(deps, facts, message);
  const { ready, notReadyReason } = body.value;
  return deps.fleet.heartbeat(facts, ready, notReadyReason) ? deps.engine.placeWaiting() : undefined;
}

async function handleOther(deps: SessionDeps, facts: SessionFacts, { body }: SessionRequest): Promise<void> {
  const { engine } = deps;
  switch (body.case) {
    case 'accepted':
      await engine.taskAccepted(facts.workerId, body.value.taskId);
      return;
    case 'progress': {
      const jobId = await engine.taskProgress(facts.workerId, body.value.taskId, body.value.message);
      if (jobId !== undefined) deps.buildOutput.add(jobId, body.value.output);
      return;
    }
    case 'result':
      await engine.taskEnded(facts.workerId, body.value);
      facts.queue.push({
        case: 'resultAck',
        value: { $typeName: 'botrunner.v1.ResultAck', taskId: body.value.taskId },
      });
      await engine.placeFreed();
      return;
    case 'observations':
      await engine.observe(facts.workerId, body.value.bots);
      await engine.placeFreed();
      return;
    case 'strays':
      deps.adoption.told(facts, body.value.containers);
      return;
    case 'adopted':
      deps.adoption.answered(facts.workerId, body.value);
      return;
    case 'desiredSetWanted':
      if (facts.told) facts.told.wanted = true;
      return;
    case 'heartbeat':
      throw new Error('a heartbeat is handled before');
    case 'hello':
      refuse('INVALID_WORKER', 'A session has one Hello.');
      break;
    case undefined:
      // A body newer than this release.
      return;
  }
}

/** Stores when it was last seen, for after a restart; only a date, so that failing to write it costs nothing more. */
async function noteLeaving({ store, fleet, clock, logger }: SessionDeps, facts: SessionFacts): Promise<void> {
  const at = clock.wallMs() - (fleet.presence(facts.workerId).silentMs ?? 0);
  await store
    .change([wantWorker(facts.workerId)], (tx) => tx.workers.seen(facts.workerId, at))
    .catch((error: unknown) => logger.debug({ err: error }, 'the last-seen time of a worker could not be stored'));
}

/**
 * Who it is is on disk before its Welcome. Most that come are known, and only come back: then nothing but a date has changed, which nobody
 * waits for, however many come at once.
 */
async function remember(deps: SessionDeps, hello: Hello, facts: SessionFacts): Promise<void> {
  const { store, clock, logger } = deps;
  const { workerId } = hello;
  const now = clock.wallMs();
  const seen = {
    workerId,
    bootId: hello.bootId,
    runtime: hello.runtime,
    engineVersion: hello.engineVersion,
    version: hello.version,
    memoryBytes: Number(hello.capacity?.memoryBytes ?? 0),
    cpuMillis: hello.capacity?.cpuMillis ?? 0,
    labels: facts.labels,
    capabilities: facts.capabilities,
  };
  const isKnown = await store.look([wantWorker(workerId)], ({ workers }) => {
    const record = workers.get(workerId);
    if (record === undefined || workers.isForgotten(workerId)) return false;
    const { firstSeenAt: _first, lastSeenAt: _last, ...known } = record;
    return isDeepStrictEqual(known, seen);
  });
  const written = store.change(
    [wantWorker(workerId)],
    ({ workers }) => workers.put({ ...seen, firstSeenAt: workers.get(workerId)?.firstSeenAt ?? now, lastSeenAt: now }),
    isKnown ? 'soon' : 'now',
  );
  if (!isKnown) return written;
  inBackground(written, (error) => logger.debug({ err: error }, 'the last-seen time of a worker could not be stored'));
}
