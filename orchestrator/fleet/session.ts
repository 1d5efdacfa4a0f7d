/**
 * One worker session, from Hello to its end. Any failure ends it whole; the worker dials again and starts over.
 * Messages are handled one after the other, in the order they came.
 */
import { create } from '@bufbuild/protobuf';
import { ulid } from 'ulid';
import type { Clock } from '#common/clock.ts';
import { workerIdPattern } from '#common/ids.ts';
import type { Logger } from '#common/log.ts';
import { refuse } from '#common/problem.ts';
import type { Secret } from '#common/secret.ts';
import { protocolMax, protocolMin } from '#common/version.ts';
import {
  type DesiredSet,
  DesiredSetSchema,
  type Hello,
  type SessionRequest,
  type SessionResponse,
  SessionResponseSchema,
} from '#gen/botrunner/v1/worker_service_pb.js';
import type { Engine } from '../engine/engine.ts';
import { toEnsure } from '../engine/specs.ts';
import type { BuildOutputHub } from '../events/build-output.ts';
import type { Store } from '../store/store.ts';
import type { Fleet, FleetTimes, SessionFacts } from './fleet.ts';
import { SendQueue } from './send-queue.ts';

export interface SessionDeps {
  readonly store: Store;
  readonly engine: Engine;
  readonly fleet: Fleet;
  readonly times: FleetTimes;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly sealKey: Secret<Uint8Array>;
  readonly stopGraceMs: number;
  readonly buildOutput: BuildOutputHub;
  /** Names the store; the same for its whole life. */
  readonly storeId: string;
}

/** Everything a worker shall run, with the task each bot's open job is about. */
export function desiredSetOf({ store, sealKey, stopGraceMs }: SessionDeps, workerId: string): DesiredSet {
  const bots = store.read.bots.ofWorker(workerId).map((bot) => {
    const job = store.read.jobs.openOfBot(bot)[0];
    const task = job?.taskId ? store.read.tasks.get(job.taskId) : undefined;
    const open = job !== undefined && task !== undefined && task.status !== 'done' && task.workerId === workerId;
    return toEnsure(sealKey, bot, open ? { taskId: task.taskId, deadlineAt: job.deadlineAt } : undefined, stopGraceMs);
  });
  return create(DesiredSetSchema, { bots });
}

function checkHello(message: SessionRequest | undefined): Hello {
  if (message?.body.case !== 'hello') refuse('INVALID_WORKER', 'The first message of a session must be Hello.');
  const hello = message.body.value;
  if (!workerIdPattern.test(hello.workerId)) refuse('INVALID_WORKER', 'The worker id is not valid.');
  if (hello.protocolMin > protocolMax || hello.protocolMax < protocolMin) {
    refuse(
      'INVALID_WORKER',
      `The worker speaks session protocol ${hello.protocolMin} to ${hello.protocolMax}, the orchestrator ${protocolMin} to ${protocolMax}.`,
    );
  }
  return hello;
}

/** Serves one session; the generator ends when the session does. */
export async function* serveSession(
  deps: SessionDeps,
  requests: AsyncIterable<SessionRequest>,
  signal: AbortSignal,
): AsyncGenerator<SessionResponse> {
  const incoming = requests[Symbol.asyncIterator]();
  const first = await incoming.next();
  const hello = checkHello(first.done ? undefined : first.value);
  const queue = new SendQueue();
  const facts: SessionFacts = {
    workerId: hello.workerId,
    sessionId: ulid(),
    runtime: hello.runtime,
    memoryBytes: Number(hello.capacity?.memoryBytes ?? 0),
    cpuMillis: hello.capacity?.cpuMillis ?? 0,
    queue,
  };
  const { fleet, engine, logger, times } = deps;
  await remember(deps, hello);
  await engine.observe(hello.workerId, hello.snapshot);
  fleet.join(facts, hello.ready, hello.notReadyReason);
  logger.info({ workerId: hello.workerId, runtime: hello.runtime, version: hello.version }, 'worker joined');
  const onAbort = () => queue.end(new Error('the connection was lost'));
  signal.addEventListener('abort', onAbort, { once: true });
  queue.push({
    case: 'welcome',
    value: {
      $typeName: 'botrunner.v1.Welcome',
      sessionId: facts.sessionId,
      protocol: Math.min(protocolMax, hello.protocolMax),
      heartbeatIntervalMs: times.heartbeatMs,
      desiredSet: desiredSetOf(deps, hello.workerId),
      storeId: deps.storeId,
    },
  });
  void receive(deps, facts, incoming).then(
    () => queue.end(),
    (error: unknown) => queue.end(error instanceof Error ? error : new Error(String(error))),
  );
  try {
    await engine.placeWaiting();
    for await (const body of queue.drain()) yield create(SessionResponseSchema, { body });
  } finally {
    signal.removeEventListener('abort', onAbort);
    fleet.leave(facts);
    logger.info({ workerId: hello.workerId }, 'worker session ended');
  }
}

async function receive(deps: SessionDeps, facts: SessionFacts, incoming: AsyncIterator<SessionRequest>): Promise<void> {
  for (;;) {
    const next = await incoming.next();
    if (next.done || !deps.fleet.isCurrent(facts)) return;
    deps.fleet.heard(facts);
    await handle(deps, facts, next.value);
  }
}

async function handle(deps: SessionDeps, facts: SessionFacts, { body }: SessionRequest): Promise<void> {
  const { engine, fleet } = deps;
  switch (body.case) {
    case 'heartbeat':
      if (fleet.heartbeat(facts, body.value.ready, body.value.notReadyReason)) await engine.placeWaiting();
      return;
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
      await engine.placeWaiting();
      return;
    case 'observations':
      await engine.observe(facts.workerId, body.value.bots);
      return;
    case 'hello':
      refuse('INVALID_WORKER', 'A session has one Hello.');
      break;
    case undefined:
      // A body newer than this release.
      return;
  }
}

function remember({ store, clock }: SessionDeps, hello: Hello): Promise<void> {
  return store.write((tx) => {
    const now = clock.wallMs();
    tx.workers.put({
      workerId: hello.workerId,
      bootId: hello.bootId,
      runtime: hello.runtime,
      engineVersion: hello.engineVersion,
      version: hello.version,
      memoryBytes: Number(hello.capacity?.memoryBytes ?? 0),
      cpuMillis: hello.capacity?.cpuMillis ?? 0,
      labels: { ...hello.labels },
      firstSeenAt: tx.workers.get(hello.workerId)?.firstSeenAt ?? now,
      lastSeenAt: now,
    });
  });
}
