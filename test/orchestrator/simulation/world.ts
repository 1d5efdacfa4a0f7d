import type { BotKey } from '#common/ids.ts';
import { ProblemError } from '#common/problem.ts';
import type { SessionResponse } from '#gen/botrunner/v1/worker_service_pb.js';
import { nextAging } from '../../../orchestrator/engine/aging.ts';
import { desiredBots, desiredOf } from '../../../orchestrator/engine/desired-set.ts';
import { observe } from '../../../orchestrator/engine/observe.ts';
import { applyResult, noteAccepted } from '../../../orchestrator/engine/results.ts';
import { claimTokens } from '../../../orchestrator/engine/takeover.ts';
import { decideAnew } from '../../../orchestrator/engine/upkeep.ts';
import {
  changesFor,
  type DesiredSource,
  tellAll,
  tellChanges,
  toldNothing,
  wholeSet,
} from '../../../orchestrator/fleet/desired.ts';
import type { SessionFacts } from '../../../orchestrator/fleet/fleet.ts';
import type { SendQueue } from '../../../orchestrator/fleet/send-queue.ts';
import { type Answer, type FromWorker, type ModelBot, type ModelHello, ModelWorker } from './model-worker.ts';
import { mib, SimulatedEngine } from './simulated-engine.ts';
import { ToldSoFar } from './told-so-far.ts';

export interface Host {
  readonly worker: ModelWorker;
  readonly memoryBytes: number;
  readonly capabilities: readonly string[];
  session: SessionFacts | undefined;
  /** Nothing comes from it, and nothing goes to it. */
  frozen: boolean;
  ready: boolean;
  power: boolean;
}

const capabilities = [
  'mode.simple',
  'language.python',
  'language.node',
  'restart.in_place',
  'takeover.claim',
  'desired.changes',
];
const reconcileMs = 5_000;
const lookMs = 1_000;

export class World extends SimulatedEngine {
  readonly hosts = new Map<string, Host>();
  /** What each worker would have to be told after all that it was told in its session: for the check of `told`. */
  readonly #told = new ToldSoFar();
  readonly #desired: DesiredSource = {
    all: (tx, workerId) => desiredBots(this.context, tx, workerId, () => 1),
    of: (tx, workerId, key) => desiredOf(this.context, tx, workerId, key, () => 1),
    keys: () => [],
    kept: (tx, workerId) => this.histories.kept(tx.bots, workerId),
    now: (tx, workerId) =>
      this.histories.holdsAny(tx.bots, workerId) ? undefined : this.histories.momentOf(tx.outbox.lastSeq()),
  };
  #sessions = 0;
  #reconcileAt = 0;

  /** Sessions end with the orchestrator. */
  override crash(): void {
    for (const host of this.hosts.values()) host.session = undefined;
    super.crash();
  }

  host(workerId: string, memory = 1024, old = false): Host {
    const found = this.hosts.get(workerId);
    if (found !== undefined) return found;
    const host: Host = {
      worker: new ModelWorker(workerId, (spec) => this.tokenOf(spec)),
      memoryBytes: memory * mib,
      capabilities: old ? capabilities.slice(0, 3) : capabilities,
      session: undefined,
      frozen: false,
      ready: true,
      power: true,
    };
    this.hosts.set(workerId, host);
    return host;
  }

  /** A session begins: Hello, Welcome, and what waits is placed. */
  join(host: Host): void {
    if (!host.power) return;
    this.cut(host);
    const { worker, memoryBytes } = host;
    const { workerId } = worker;
    host.frozen = false;
    const hello = worker.hello();
    const { snapshot } = hello;
    // A worker's inbox takes what a session's queue takes; nothing else of the queue is used.
    const queue = {
      push: (body: SessionResponse['body']) => {
        worker.inbox.push(body);
        return true;
      },
      end: () => undefined,
    } as unknown as SendQueue;
    const session: SessionFacts = {
      workerId,
      sessionId: `s${++this.#sessions}`,
      bootId: `boot-${workerId}`,
      capabilities: host.capabilities,
      labels: {},
      patienceMs: 0,
      runtime: 'docker',
      memoryBytes,
      cpuMillis: 64_000,
      queue,
      safety: undefined,
      told: host.capabilities.includes('desired.changes') ? toldNothing() : undefined,
    };
    this.change(({ tx, now }) => {
      tx.workers.put({
        workerId,
        bootId: session.bootId,
        runtime: 'docker',
        engineVersion: '',
        version: '',
        memoryBytes,
        cpuMillis: session.cpuMillis,
        labels: {},
        capabilities: host.capabilities,
        firstSeenAt: now,
        lastSeenAt: now,
      });
    });
    this.#meet(hello);
    this.change((change) => observe(this.context, change, workerId, snapshot));
    this.fleet.join(session, host.ready, 'its engine is not there');
    host.session = session;
    this.silent.delete(workerId);
    const desiredSet = wholeSet(this.#desired, this.tables, workerId);
    if (session.told) tellAll(session.told, desiredSet, this.clock.monotonicMs(), 0);
    this.#told.all(workerId, desiredSet.bots);
    queue.push({
      case: 'welcome',
      value: {
        $typeName: 'botrunner.v1.Welcome',
        sessionId: session.sessionId,
        protocol: 1,
        heartbeatIntervalMs: 2_000,
        desiredSet: { ...desiredSet, openings: this.histories.openings() },
        storeId: '',
      },
    });
    this.placeWaiting();
  }

  /** As Restore.meet. */
  #meet(hello: ModelHello): void {
    const { bots, outbox } = this.tables;
    const store = { now: outbox.lastSeq(), here: bots.ofWorker(hello.workerId), find: (key: BotKey) => bots.get(key) };
    const { kept, notStarted, follows, decideAnew: keys } = this.histories.meet(hello, store);
    const lists = { kept, 'not started': notStarted, ...follows };
    for (const [what, named] of Object.entries(lists)) {
      if (named.length > 0) this.trace.line(`${hello.workerId} knows more: ${what} ${named.join(', ')}`);
    }
    this.change((change) => decideAnew(change, keys));
  }

  /** The connection is lost, with all that was under way on it. */
  cut(host: Host): void {
    if (host.session === undefined) return;
    this.fleet.leave(host.session);
    host.session = undefined;
    host.worker.inbox = [];
    host.worker.outbox = [];
  }

  setReady(host: Host, ready: boolean): void {
    host.ready = ready;
    this.#heartbeat(host);
  }

  #heartbeat(host: Host): void {
    const { session } = host;
    if (session === undefined || host.frozen) return;
    if (this.fleet.heartbeat(session, host.ready, 'its engine is not there')) this.placeWaiting();
  }

  reconcile(host: Host): void {
    const { session } = host;
    if (session === undefined) return;
    const { workerId, told } = session;
    const changes = told && changesFor(this.#desired, this.tables, workerId, told, this.clock.monotonicMs());
    if (told && changes) {
      tellChanges(told, changes);
      this.#told.changes(workerId, changes);
      this.#told.check(workerId, this.#desired.all(this.tables, workerId));
      this.fleet.send(workerId, { case: 'desiredChanges', value: changes });
      return;
    }
    const value = wholeSet(this.#desired, this.tables, workerId);
    if (told) tellAll(told, value, this.clock.monotonicMs(), 0);
    this.#told.all(workerId, value.bots);
    this.fleet.send(workerId, { case: 'desiredSet', value });
  }

  /** Whether the last that it was sent and has not looked at is the whole truth still. */
  #knowsAll({ worker: { inbox, workerId } }: Host): boolean {
    const last = inbox.at(-1);
    if (last?.case === 'desiredSet') return true;
    return last?.case === 'desiredChanges' && last.value.version === BigInt(this.tables.desires.version(workerId));
  }

  /** The worker looks at the next message that it was sent. */
  hear(host: Host): boolean {
    if (host.session === undefined || host.frozen) return false;
    const body = host.worker.hear();
    if (body !== undefined) this.trace.heard(host.worker.workerId, body);
    return body !== undefined;
  }

  /** The orchestrator takes the next message that the worker has sent. */
  take(host: Host): boolean {
    if (host.session === undefined || host.frozen) return false;
    const message = host.worker.outbox.shift();
    if (message === undefined) return false;
    this.fleet.heard(host.session);
    this.#message(host, message);
    return true;
  }

  /** The last result comes once more, however old it is. */
  repeat(host: Host): void {
    const { lastResult } = host.worker;
    if (lastResult !== undefined && host.session !== undefined)
      this.#message(host, { kind: 'result', result: lastResult });
  }

  #message(host: Host, message: FromWorker): void {
    const { workerId } = host.worker;
    this.trace.said(workerId, message);
    switch (message.kind) {
      case 'accepted':
        this.change((change) => noteAccepted(change, workerId, message.taskId));
        return;
      case 'wanted':
        if (host.session?.told) host.session.told.wanted = true;
        return;
      case 'observations':
        this.change((change) => observe(this.context, change, workerId, message.bots));
        this.placeFreed();
        return;
      case 'result': {
        const { result } = message;
        this.change((change) => applyResult(this.context, change, workerId, result));
        const value = { $typeName: 'botrunner.v1.ResultAck', taskId: result.taskId } as const;
        this.fleet.send(workerId, { case: 'resultAck', value });
        this.placeFreed();
      }
    }
  }

  /** What a worker asks before it starts a bot that takes a token over. */
  claim(host: Host, bot: ModelBot): Answer {
    const { userId, botId, decided } = bot;
    if (host.session === undefined || host.frozen || decided === undefined) return 'pending';
    try {
      const { pending } = this.change((change) =>
        claimTokens(this.context, change, host.worker.workerId, {
          $typeName: 'botrunner.v1.ClaimTokensRequest',
          userId,
          botId,
          epoch: decided.epoch,
          revision: decided.revision,
          tokenSha256: [],
          built: true,
        }),
      );
      this.trace.line(`${host.worker.workerId} may ${pending ? 'not yet ' : ''}start ${userId}/${botId}`);
      return pending ? 'pending' : 'granted';
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error;
      this.trace.line(`${host.worker.workerId} may not start ${userId}/${botId}: ${error.problem.code}`);
      return { refused: error.problem.code };
    }
  }

  // Time.

  /** Lets time pass: heartbeats, reconciliation, silence, deadlines and ages. */
  wait(ms: number): void {
    const end = this.clock.monotonicMs() + ms;
    while (this.clock.monotonicMs() < end) {
      // Nobody needs every second of a long wait.
      const left = end - this.clock.monotonicMs();
      this.clock.advance(Math.min(left, left > 30_000 ? reconcileMs : lookMs));
      for (const host of this.hosts.values()) this.#heartbeat(host);
      this.look();
      const now = this.clock.wallMs();
      const next = Math.min(this.tables.jobs.nextDeadline() ?? Infinity, nextAging(this.tables) ?? Infinity);
      if (next <= now) this.expire();
      if (this.clock.monotonicMs() >= this.#reconcileAt) {
        this.#reconcileAt = this.clock.monotonicMs() + reconcileMs;
        for (const host of this.hosts.values()) {
          // What was not looked at yet is followed by the whole truth anyway.
          if (!this.#knowsAll(host)) this.reconcile(host);
        }
      }
    }
  }
}
