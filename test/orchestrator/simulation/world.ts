/**
 * The whole engine with its rows in memory, model workers, and a clock moved by hand: one thing happens after the other, each as often
 * and as late as the commands say. What happens is written down as a trace. After every change the invariants are checked.
 */
import { createHash } from 'node:crypto';
import { create } from '@bufbuild/protobuf';
import { type BotKey, botKeyText } from '#common/ids.ts';
import { ProblemError } from '#common/problem.ts';
import { Secret } from '#common/secret.ts';
import { type BotSpec, BotSpecSchema } from '#gen/botrunner/v1/bot_pb.js';
import { DesiredSetSchema, type SessionResponse } from '#gen/botrunner/v1/worker_service_pb.js';
import { botRunner } from '../../../orchestrator/core/blueprints/bot-runner.ts';
import { testWorkflow } from '../../../orchestrator/core/blueprints/test-workflow.ts';
import { deployParams, type JobInput } from '../../../orchestrator/core/job-params.ts';
import type { BotRecord, EventBody, JobRecord } from '../../../orchestrator/core/records.ts';
import { acceptOnce, type NewJob } from '../../../orchestrator/engine/accept.ts';
import { advance } from '../../../orchestrator/engine/advance.ts';
import { endOldBots, nextAging } from '../../../orchestrator/engine/aging.ts';
import { type Change, type CommitEffect, createChange } from '../../../orchestrator/engine/change.ts';
import { defaultEngineSettings, type EngineContext } from '../../../orchestrator/engine/context.ts';
import { desiredBots } from '../../../orchestrator/engine/desired-set.ts';
import { observe } from '../../../orchestrator/engine/observe.ts';
import { logsResult } from '../../../orchestrator/engine/read.ts';
import { applyResult, noteAccepted } from '../../../orchestrator/engine/results.ts';
import { claimTokens, makeRoom } from '../../../orchestrator/engine/takeover.ts';
import { endOverdue, placeWaiting, readLogsAgain, takeUp, workerSilent } from '../../../orchestrator/engine/upkeep.ts';
import { defaultFleetTimes, Fleet, type SessionFacts } from '../../../orchestrator/fleet/fleet.ts';
import type { SendQueue } from '../../../orchestrator/fleet/send-queue.ts';
import { createManualClock } from '../../kit/manual-clock.ts';
import { checkRows, type Seen } from './invariants.ts';
import { MemoryTables } from './memory-tables.ts';
import { type Answer, type FromWorker, type ModelBot, ModelWorker } from './model-worker.ts';
import { Trace } from './trace.ts';

export interface WorldOptions {
  readonly maxBotsPerUser: number;
  readonly maxRuntimeMs: number;
  /** Every change is made twice, the first time in vain: both must decide the same. */
  readonly twice: boolean;
}

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

export interface Deployment {
  readonly code: string;
  readonly token: string;
  /** The token is in the code, not in the environment. */
  readonly tokenInCode: boolean;
  readonly memoryBytes: number;
  readonly takeover: boolean;
}

const mib = 1024 * 1024;
const sealKey = new Secret<Uint8Array>(new Uint8Array(32).fill(9));
const capabilities = ['mode.simple', 'language.python', 'language.node', 'restart.in_place', 'takeover.claim'];
const reconcileMs = 5_000;
const lookMs = 1_000;
/** The form of a Telegram token. */
export const tokenText = (name: string): string => `123456789:AA${name.padEnd(33, 'x')}`;
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

export class World {
  readonly trace = new Trace();
  readonly hosts = new Map<string, Host>();
  readonly clock = createManualClock();
  readonly #memory = new MemoryTables();
  readonly #seen: Seen = new Map();
  readonly #options: WorldOptions;
  readonly #context: EngineContext;
  #fleet: Fleet;
  #ids = 0;
  #sessions = 0;
  #silent = new Set<string>();
  readonly #codeTokens = new Map<string, string>();
  #reconcileAt = 0;
  /** The orchestrator is about to be killed: effects are lost. */
  #dying = false;
  #triedRoom = 0;

  constructor(options: WorldOptions) {
    this.#options = options;
    this.#fleet = this.#newFleet();
    const { maxBotsPerUser, maxRuntimeMs } = options;
    const fleet = {
      live: () => this.#fleet.live(),
      liveOne: (workerId: string) => this.#fleet.liveOne(workerId),
      isSilent: (workerId: string) => this.#fleet.isSilent(workerId),
      view: (bot: Parameters<Fleet['view']>[0]) => this.#fleet.view(bot),
    };
    this.#context = {
      sealKey,
      settings: { ...defaultEngineSettings, maxBotsPerUser, maxRuntimeMs },
      blueprints: new Map([botRunner, testWorkflow].map((blueprint) => [blueprint.name, blueprint])),
      fleet,
      decided: () => undefined,
      isHeld: () => false,
    };
    this.change((change) => takeUp(this.#context, change));
  }

  get tables() {
    return this.#memory.tables;
  }

  get settings() {
    return this.#context.settings;
  }

  #newFleet(): Fleet {
    return new Fleet(
      this.clock,
      defaultFleetTimes,
      this.#memory.tables.workers.all().map(({ workerId, runtime }) => [workerId, runtime] as const),
    );
  }

  // What the engine does.

  /** One transaction, and what follows its commit. */
  change<T>(work: (change: Change) => T): T {
    const effects: CommitEffect[] = [];
    const told: EventBody[] = [];
    const run = (keep: boolean) => {
      effects.length = 0;
      told.length = 0;
      const now = this.clock.wallMs();
      const newId = () => `id${String(++this.#ids).padStart(8, '0')}`;
      const seen = (shown: Parameters<Fleet['view']>[0]) => {
        const { bot, state } = this.#fleet.view(shown);
        return { ...bot, state };
      };
      const inputs = { now, newId, newEventId: newId, seen, seenNumbers: () => undefined };
      return this.#memory.transact((tx) => {
        const outbox = {
          ...tx.outbox,
          add: (event: Parameters<typeof tx.outbox.add>[0]) => {
            told.push(event.body);
            return tx.outbox.add(event);
          },
        };
        return work(createChange({ ...tx, outbox }, inputs, effects));
      }, keep);
    };
    if (this.#options.twice) this.#tryInVain(() => run(false), told);
    const value = run(true);
    for (const body of told) this.trace.event(body);
    this.check();
    if (this.#dying) return value;
    for (const effect of effects) this.#carryOut(effect);
    return value;
  }

  /** What a change decides must not depend on how often it was made before. */
  #tryInVain(run: () => unknown, told: readonly EventBody[]): void {
    const ids = this.#ids;
    let first: string;
    try {
      run();
      first = JSON.stringify(told);
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error;
      return;
    } finally {
      this.#ids = ids;
    }
    run();
    this.#ids = ids;
    if (JSON.stringify(told) !== first) throw new Error(`a change decided otherwise the second time: ${first}`);
  }

  #carryOut(effect: CommitEffect): void {
    switch (effect.kind) {
      case 'send':
        this.#fleet.send(effect.workerId, effect.body);
        return;
      case 'read_log': {
        const { job } = effect;
        const text = `the log of ${job.botId}`;
        this.change((change) => {
          const now = change.tx.jobs.get(job.jobId);
          if (now === undefined) return;
          const result = logsResult(this.#context, change.tx, now, text);
          advance(this.#context, change, now, { kind: 'answered', result });
        });
        return;
      }
      case 'make_room':
        this.change((change) => makeRoom(this.#context, change, effect.jobId));
        return;
      case 'task_offered':
      case 'job_changed':
      case 'log':
    }
  }

  check(): void {
    checkRows(this.tables, this.#seen, this.settings.maxBotsPerUser, this.#memory.bots());
  }

  /** Decides something; a refusal is a line of the trace. */
  attempt<T>(work: (change: Change, context: EngineContext) => T): T | undefined {
    try {
      return this.change((change) => work(change, this.#context));
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error;
      this.trace.line(`refused ${error.problem.code}: ${error.problem.message}`);
      return undefined;
    }
  }

  request(key: BotKey, input: JobInput, extra: Partial<NewJob> = {}): JobRecord | undefined {
    return this.attempt((change, context) =>
      acceptOnce(context, change, {
        ...key,
        blueprint: input.action === '' ? 'test_workflow' : 'bot_runner',
        input,
        ...extra,
      }),
    );
  }

  deploy(action: 'start' | 'update', key: BotKey, deployment: Deployment, idempotencyKey: string): void {
    const { code, token, tokenInCode, memoryBytes, takeover } = deployment;
    const artifactSha256 = sha256(`${code} ${tokenInCode ? token : ''}`);
    const spec = create(BotSpecSchema, {
      source: { case: 'simple', value: { artifactSha256, entrypoint: 'bot.py' } },
      env: token === '' || tokenInCode ? {} : { BOT_TOKEN: tokenText(token) },
      limits: { memoryBytes: BigInt(memoryBytes * mib) },
    });
    if (tokenInCode) this.#codeTokens.set(artifactSha256, tokenText(token));
    const input = { action, params: deployParams({ takeover }) };
    this.request(key, input, {
      spec: { spec, mode: 'simple', artifactSha256 },
      artifact: {
        sha256: artifactSha256,
        bytes: new Uint8Array(1),
        tokenSha256s: token !== '' && tokenInCode ? [sha256(tokenText(token))] : [],
      },
      ...(idempotencyKey === '' ? {} : { idempotency: { key: idempotencyKey, bodySha256: artifactSha256 } }),
    });
  }

  /** The orchestrator is killed and comes back: sessions end, and all that it knows is in its rows. */
  crash(): void {
    this.#dying = false;
    for (const host of this.hosts.values()) host.session = undefined;
    this.#memory.crash();
    this.#fleet = this.#newFleet();
    this.#silent = new Set();
    this.#triedRoom = 0;
    this.trace.line('the orchestrator was killed and is back');
    this.change((change) => takeUp(this.#context, change));
    this.change(readLogsAgain);
    this.#expire();
  }

  /** Runs a command whose effects are lost with the orchestrator, which is killed right after its commit. */
  crashAfter(command: () => void): void {
    this.#dying = true;
    try {
      command();
    } finally {
      this.#dying = false;
    }
    this.crash();
  }

  #expire(): void {
    this.change((change) => endOverdue(this.#context, change));
    this.change((change) => endOldBots(this.#context, change));
  }

  // Workers.

  host(workerId: string, memory = 1024, old = false): Host {
    const found = this.hosts.get(workerId);
    if (found !== undefined) return found;
    const host: Host = {
      worker: new ModelWorker(workerId, (spec) => this.#tokenOf(spec)),
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

  #tokenOf({ env, source }: BotSpec): string {
    const inCode = source.case === 'simple' ? this.#codeTokens.get(source.value.artifactSha256) : undefined;
    return env['BOT_TOKEN'] ?? inCode ?? '';
  }

  /** A session begins: Hello, Welcome, and what waits is placed. */
  join(host: Host): void {
    if (!host.power) return;
    this.cut(host);
    const { worker, memoryBytes } = host;
    const { workerId } = worker;
    host.frozen = false;
    const snapshot = worker.hello();
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
    this.change((change) => observe(this.#context, change, workerId, snapshot));
    this.#fleet.join(session, host.ready, 'its engine is not there');
    host.session = session;
    this.#silent.delete(workerId);
    const bots = [...this.#desired(workerId)];
    queue.push({
      case: 'welcome',
      value: {
        $typeName: 'botrunner.v1.Welcome',
        sessionId: session.sessionId,
        protocol: 1,
        heartbeatIntervalMs: 2_000,
        desiredSet: create(DesiredSetSchema, { bots }),
        storeId: '',
      },
    });
    this.placeWaiting();
  }

  #desired(workerId: string) {
    return desiredBots(this.#context, this.tables, workerId, (job) => job.deadlineAt - this.clock.wallMs());
  }

  /** The connection is lost, with all that was under way on it. */
  cut(host: Host): void {
    if (host.session === undefined) return;
    this.#fleet.leave(host.session);
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
    if (this.#fleet.heartbeat(session, host.ready, 'its engine is not there')) this.placeWaiting();
  }

  /** As Engine.placeWaiting. */
  placeWaiting(): void {
    this.#triedRoom = this.tables.room();
    if (this.tables.jobs.anyWaits()) this.change((change) => placeWaiting(this.#context, change));
  }

  /** As Engine.placeFreed. */
  #placeFreed(): void {
    if (this.tables.room() > this.#triedRoom) this.placeWaiting();
  }

  reconcile(host: Host): void {
    if (host.session === undefined) return;
    const bots = [...this.#desired(host.worker.workerId)];
    const value = create(DesiredSetSchema, { bots });
    this.#fleet.send(host.worker.workerId, { case: 'desiredSet', value });
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
    this.#fleet.heard(host.session);
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
      case 'observations':
        this.change((change) => observe(this.#context, change, workerId, message.bots));
        this.#placeFreed();
        return;
      case 'result': {
        const { result } = message;
        this.change((change) => applyResult(this.#context, change, workerId, result));
        const value = { $typeName: 'botrunner.v1.ResultAck', taskId: result.taskId } as const;
        this.#fleet.send(workerId, { case: 'resultAck', value });
        this.#placeFreed();
      }
    }
  }

  /** What a worker asks before it starts a bot that takes a token over. */
  claim(host: Host, bot: ModelBot): Answer {
    const { userId, botId, decided } = bot;
    if (host.session === undefined || host.frozen || decided === undefined) return 'pending';
    try {
      const { pending } = this.change((change) =>
        claimTokens(this.#context, change, host.worker.workerId, {
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
      this.#look();
      const now = this.clock.wallMs();
      const next = Math.min(this.tables.jobs.nextDeadline() ?? Infinity, nextAging(this.tables) ?? Infinity);
      if (next <= now) this.#expire();
      if (this.clock.monotonicMs() >= this.#reconcileAt) {
        this.#reconcileAt = this.clock.monotonicMs() + reconcileMs;
        for (const host of this.hosts.values()) {
          // What was not looked at yet is followed by the whole truth anyway.
          if (host.worker.inbox.at(-1)?.case !== 'desiredSet') this.reconcile(host);
        }
      }
    }
  }

  /** The watch over the workers. */
  #look(): void {
    for (const { workerId } of this.tables.workers.all()) {
      if (!this.#fleet.isSilent(workerId)) this.#silent.delete(workerId);
      else if (!this.#silent.has(workerId)) {
        this.#silent.add(workerId);
        this.trace.line(`${workerId} is silent`);
        this.change((change) => workerSilent(this.#context, change, workerId));
      }
    }
  }

  isSilent(workerId: string): boolean {
    return this.#fleet.isSilent(workerId);
  }

  /** Every bot there is, deleted ones that are not gone among them. */
  bots(): readonly BotRecord[] {
    return this.#memory.bots();
  }

  show(key: BotKey): void {
    this.trace.bot(botKeyText(key), this.tables.bots.get(key));
  }
}
