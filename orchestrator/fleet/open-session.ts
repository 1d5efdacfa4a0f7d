/** How a worker session begins: who it is, what it reports of its bots, and its Welcome. */
import { isDeepStrictEqual } from 'node:util';
import { ulid } from 'ulid';
import { inBackground } from '#common/background.ts';
import { capabilities } from '#common/capabilities.ts';
import { workerIdPattern } from '#common/ids.ts';
import { checkLabels, workerLabelsMax } from '#common/labels.ts';
import { refuse } from '#common/problem.ts';
import { protocolMax, protocolMin } from '#common/version.ts';
import type { Hello, SessionRequest, SessionResponse } from '#gen/botrunner/v1/worker_service_pb.js';
import { shortName, shortReason, soundNumber } from '../core/worker-words.ts';
import { workerSafety } from '../safety/worker-safety.ts';
import { wantBotsOfWorker, wantWorker } from '../store/want.ts';
import { tellAll, toldNothing, wholeSet } from './desired.ts';
import type { SessionFacts } from './fleet.ts';
import { observeAll } from './observe-all.ts';
import { SendQueue } from './send-queue.ts';
import { type SendResponses, Session, type SessionDeps, type SessionRequests } from './session.ts';

// Far more names than there are; the rest would only fill the store.
const capabilitiesMax = 100;

/**
 * Serves one session of the worker that the caller's credential names. Resolves when it is over, rejects with what it ended with.
 */
export async function serveSession(
  deps: SessionDeps,
  incoming: SessionRequests,
  workerId: string,
  signal: AbortSignal,
  send: SendResponses,
): Promise<void> {
  const session = await openSession(deps, incoming, workerId, signal);
  try {
    await session.run(send);
  } finally {
    await session.close();
  }
}

/** As serveSession; the generator ends when the session does. */
export async function* sessionResponses(
  deps: SessionDeps,
  requests: AsyncIterable<SessionRequest>,
  workerId: string,
  signal: AbortSignal,
): AsyncGenerator<SessionResponse> {
  const session = await openSession(deps, requests[Symbol.asyncIterator](), workerId, signal);
  try {
    yield* session.drain();
  } finally {
    await session.close();
  }
}

/** Of its own, so that a session which lasts for days holds nothing of what it took to begin it. */
async function openSession(
  deps: SessionDeps,
  incoming: SessionRequests,
  workerId: string,
  signal: AbortSignal,
): Promise<Session> {
  const first = await incoming.next();
  const hello = checkHello(first.done ? undefined : first.value, workerId);
  const { fleet, engine, logger, times, desired, clock } = deps;
  const knowsChanges = hello.capabilities.includes(capabilities.desiredChanges);
  const facts: SessionFacts = {
    workerId: hello.workerId,
    sessionId: ulid(),
    bootId: shortName(hello.bootId),
    capabilities: hello.capabilities.slice(0, capabilitiesMax).map(shortName),
    labels: { ...hello.labels },
    patienceMs: 0,
    runtime: shortName(hello.runtime),
    memoryBytes: soundNumber(hello.capacity?.memoryBytes ?? 0n),
    cpuMillis: hello.capacity?.cpuMillis ?? 0,
    queue: new SendQueue(),
    safety: hello.safety && workerSafety(hello.safety, clock.monotonicMs()),
    told: knowsChanges ? toldNothing() : undefined,
  };
  fleet.assertNotFenced(workerId, facts.bootId);
  await remember(deps, hello, facts);
  const decidedAnew = await deps.restore.meet(hello);
  if (decidedAnew.length > 0) await engine.decideAnew(decidedAnew);
  await observeAll(engine, hello.workerId, hello.snapshot);
  const desiredSet = await deps.store.look([wantBotsOfWorker(workerId)], (tx) => wholeSet(desired, tx, workerId));
  // In one turn with the look: nothing is sent to the session before its Welcome, and nothing decided since is missing in that.
  fleet.join(facts, hello.ready, shortReason(hello.notReadyReason));
  logger.info({ workerId: facts.workerId, runtime: facts.runtime, version: shortName(hello.version) }, 'worker joined');
  if (facts.told) tellAll(facts.told, desiredSet, clock.monotonicMs(), Math.random());
  facts.queue.push({
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
  return new Session(deps, facts, incoming, signal);
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
 * Who it is is on disk before its Welcome. Most that come are known, and only come back: then nothing but a date has changed, which nobody
 * waits for, however many come at once.
 */
async function remember(deps: SessionDeps, hello: Hello, facts: SessionFacts): Promise<void> {
  const { store, clock, logger } = deps;
  const { workerId } = hello;
  const now = clock.wallMs();
  const seen = {
    workerId,
    bootId: facts.bootId,
    runtime: facts.runtime,
    engineVersion: shortName(hello.engineVersion),
    version: shortName(hello.version),
    memoryBytes: soundNumber(hello.capacity?.memoryBytes ?? 0n),
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
