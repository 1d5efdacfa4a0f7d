/**
 * One worker session, from its Welcome to its end. Any failure ends it whole; the worker dials again and starts over.
 * Messages are handled in the order they came, many of them in one commit; what is acknowledged is on disk. One that is idle is an
 * object and the promise of its end: there may be thousands.
 */
import { create } from '@bufbuild/protobuf';
import { capabilities } from '#common/capabilities.ts';
import type { Clock } from '#common/clock.ts';
import type { Logger } from '#common/log.ts';
import { refuse } from '#common/problem.ts';
import type { Secret } from '#common/secret.ts';
import { onAbort } from '#common/waiting/abort.ts';
import { inOrder, MessagesInOrder, type MessagesOwner } from '#common/waiting/in-order.ts';
import type { PushedMessages, Taker } from '#common/waiting/pushed-messages.ts';
import {
  type DesiredSet,
  type Ensure,
  type SessionRequest,
  type SessionResponse,
  SessionResponseSchema,
} from '#gen/botrunner/v1/worker_service_pb.js';
import { shortReason } from '../core/worker-words.ts';
import type { Engine } from '../engine/engine.ts';
import type { BuildOutputHub } from '../logs/build-output-hub.ts';
import { workerSafety } from '../safety/worker-safety.ts';
import type { Store } from '../store/store.ts';
import { wantWorker } from '../store/want.ts';
import type { Adoption } from './adoption.ts';
import type { DesiredSource } from './desired.ts';
import type { Fleet, FleetTimes, SessionFacts } from './fleet.ts';
import { observeAll, sliceMax } from './observe-all.ts';
import type { Restore } from './restore.ts';

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

/** Where the messages of a worker come from: they are pushed where there may be thousands of sessions, else asked for. */
export type SessionRequests = AsyncIterator<SessionRequest> | PushedMessages<SessionRequest>;

/** Sends what a session says, what goes out together. False when there is nobody to send to; a promise while that is slow. */
export type SendResponses = (together: readonly SessionResponse[]) => boolean | Promise<boolean>;

const isPushed = (incoming: SessionRequests): incoming is PushedMessages<SessionRequest> => 'handTo' in incoming;

/** Made by openSession. To be run or drained once, and then closed. */
export class Session implements MessagesOwner<SessionRequest>, Taker<SessionRequest> {
  readonly underWayMax = underWayMax;
  readonly #deps: SessionDeps;
  readonly #facts: SessionFacts;
  readonly #knowsRemaining: boolean;
  readonly #messages: MessagesInOrder<SessionRequest>;
  readonly #letGo: () => void;
  #incoming: PushedMessages<SessionRequest> | undefined;
  /** A message that is applied in slices: those after it wait for it. */
  #long: Promise<void> | undefined;

  /** It is in the fleet, and its Welcome is queued. Begins to read. */
  constructor(deps: SessionDeps, facts: SessionFacts, incoming: SessionRequests, signal: AbortSignal) {
    this.#deps = deps;
    this.#facts = facts;
    this.#knowsRemaining = facts.capabilities.includes(capabilities.deadlineRemaining);
    this.#messages = new MessagesInOrder(this);
    this.#letGo = onAbort(signal, () => facts.queue.end(new Error('the connection was lost')));
    if (isPushed(incoming)) {
      this.#incoming = incoming;
      incoming.handTo(this);
    } else {
      const how = {
        handle: (message: SessionRequest) => this.handle(message),
        underWayMax,
        continues: () => this.continues(),
      };
      inOrder(incoming, how, (error) => this.failed(error)).then(
        () => this.over(undefined),
        (error: unknown) => this.over({ error }),
      );
    }
  }

  /** Resolves when the session is over, rejects with what it ended with. */
  async run(send: SendResponses): Promise<void> {
    await this.#deps.engine.placeWaiting();
    await this.#facts.queue.deliver((bodies) => send(bodies.map((body) => this.#responseOf(body))));
  }

  /** As run, for one who asks for each. */
  async *drain(): AsyncGenerator<SessionResponse, void, undefined> {
    await this.#deps.engine.placeWaiting();
    for await (const bodies of this.#facts.queue.drain()) {
      for (const body of bodies) yield this.#responseOf(body);
    }
  }

  /** The worker is not connected any more, unless it has another session by now. */
  async close(): Promise<void> {
    const { fleet, adoption, logger } = this.#deps;
    this.#letGo();
    const wasCurrent = fleet.isCurrent(this.#facts);
    fleet.leave(this.#facts);
    adoption.left(this.#facts);
    if (wasCurrent) await noteLeaving(this.#deps, this.#facts);
    logger.info({ workerId: this.#facts.workerId }, 'worker session ended');
  }

  take(message: SessionRequest): boolean {
    return this.#messages.take(message);
  }

  end(failure: { readonly error: unknown } | undefined): void {
    this.#messages.end(failure);
  }

  /** Nearly all messages are heartbeats, after which there is nothing to wait for. */
  handle(message: SessionRequest): Promise<void> | undefined {
    const { fleet, engine } = this.#deps;
    const { body } = message;
    if (body.case === 'heartbeat') {
      const { ready, notReadyReason, safety } = body.value;
      const now = safety && workerSafety(safety, this.#deps.clock.monotonicMs());
      return fleet.heartbeat(this.#facts, ready, shortReason(notReadyReason), now) ? engine.placeWaiting() : undefined;
    }
    fleet.heard(this.#facts);
    const handled =
      this.#long === undefined
        ? handleOther(this.#deps, this.#facts, message)
        : this.#long.then(() => handleOther(this.#deps, this.#facts, message));
    if (body.case === 'observations' && body.value.bots.length > sliceMax) {
      this.#long = handled;
      const over = () => {
        if (this.#long === handled) this.#long = undefined;
      };
      // Whoever waits for it learns of its failure.
      handled.then(over, over);
    }
    return handled;
  }

  continues(): boolean {
    return this.#deps.fleet.isCurrent(this.#facts);
  }

  failed(error: unknown): void {
    this.#facts.queue.end(toError(error));
  }

  room(): void {
    this.#incoming?.resume();
  }

  over(failure: { readonly error: unknown } | undefined): void {
    this.#facts.queue.end(failure === undefined ? undefined : toError(failure.error));
  }

  #responseOf(body: SessionResponse['body']): SessionResponse {
    return create(SessionResponseSchema, { body: asKnown(body, this.#knowsRemaining) });
  }
}

const toError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)));

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
      await observeAll(engine, facts.workerId, body.value.bots);
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
