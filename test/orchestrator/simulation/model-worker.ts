/**
 * A worker as the orchestrator knows it, in a page: it takes commands as the contract says (worker_service.proto), remembers on disk
 * what was decided and what came of it, and does one piece of work when it is asked to. Nothing here waits or fails on its own.
 */
import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { type BotKey, botKeyText, containerName } from '#common/ids.ts';
import { problem } from '#common/problem.ts';
import { problemToProto } from '#common/problem-proto.ts';
import { type BotSpec, BotState, DesiredState } from '#gen/botrunner/v1/bot_pb.js';
import {
  type BotObservation,
  BotObservationSchema,
  type DesiredChanges,
  type DesiredSet,
  type Ensure,
  type Hello,
  type SessionResponse,
  type StoreMoment,
  type StoreOpening,
  type TaskResult,
  TaskResultSchema,
} from '#gen/botrunner/v1/worker_service_pb.js';

/** How a piece of work goes: `fail` for what cannot be built, started or stopped; `crash` and `exit` for a bot that ends at once. */
export const outcomes = ['ok', 'fail', 'crash', 'exit'] as const;
export type Outcome = (typeof outcomes)[number];

export type FromWorker =
  | { readonly kind: 'accepted'; readonly taskId: string }
  | { readonly kind: 'result'; readonly result: TaskResult }
  | { readonly kind: 'observations'; readonly bots: readonly BotObservation[] }
  /** What has changed of the desired set does not fit what it knows. */
  | { readonly kind: 'wanted' };

export interface ModelContainer {
  readonly id: string;
  readonly revision: bigint;
  readonly token: string;
  readonly status: 'running' | 'crash_loop' | 'exited';
  readonly startedGeneration: bigint;
}

type Kind = 'running' | 'stopped' | 'removed' | 'absent';

interface Decided {
  readonly kind: Kind;
  readonly epoch: bigint;
  readonly generation: bigint;
  readonly revision: bigint;
  readonly restart: boolean;
  readonly claims: boolean;
}

export type ModelHello = Pick<Hello, 'workerId' | 'heard' | 'openings' | 'snapshot'>;

export interface ModelBot extends BotKey {
  decided: Decided | undefined;
  /** The moment of the store at which that was decided. */
  at: StoreMoment | undefined;
  spec: { readonly revision: bigint; readonly token: string } | undefined;
  container: ModelContainer | undefined;
  task: string | undefined;
  /** It could not be had; not tried again until something new is decided. */
  failed: boolean;
}

export type Answer = 'granted' | 'pending' | { readonly refused: string };

const kinds: Readonly<Partial<Record<DesiredState, Kind>>> = {
  [DesiredState.RUNNING]: 'running',
  [DesiredState.STOPPED]: 'stopped',
  [DesiredState.REMOVED]: 'removed',
};

const newer = (a: Decided, b: Decided): number =>
  a.epoch === b.epoch ? Number(a.generation - b.generation) : Number(a.epoch - b.epoch);

export class ModelWorker {
  readonly workerId: string;
  /** What it was sent and has not looked at. */
  inbox: SessionResponse['body'][] = [];
  /** What it has said and the orchestrator has not taken. */
  outbox: FromWorker[] = [];
  readonly bots = new Map<string, ModelBot>();
  /** On its disk until they are acknowledged. */
  readonly results = new Map<string, TaskResult>();
  /** Of the desired set that it knows in this session. */
  #version = 0n;
  /** By bot, the version at which this session told of it. */
  readonly #learnt = new Map<string, bigint>();
  /** The last one, for saying it once more. */
  lastResult: TaskResult | undefined;
  /** What it remembers of the history of the store. */
  #heard: StoreMoment | undefined;
  #openings: readonly StoreOpening[] = [];
  #containers = 0;
  readonly #tokenOf: (spec: BotSpec) => string;

  constructor(workerId: string, tokenOf: (spec: BotSpec) => string) {
    this.workerId = workerId;
    this.#tokenOf = tokenOf;
  }

  /** A session begins. Returns what its Hello says; unacknowledged results follow. */
  hello(): ModelHello {
    this.inbox = [];
    this.outbox = [];
    for (const result of this.results.values()) this.#sayResult(result);
    const snapshot = this.#all()
      .filter(({ decided }) => decided !== undefined && decided.kind !== 'absent')
      .map((bot) => this.#observation(bot));
    return { workerId: this.workerId, heard: this.#heard, openings: [...this.#openings], snapshot };
  }

  /** Its process is killed: what runs runs on, tasks are forgotten. */
  kill(): void {
    this.inbox = [];
    this.outbox = [];
    for (const bot of this.bots.values()) bot.task = undefined;
  }

  #all(): readonly ModelBot[] {
    return [...this.bots.values()];
  }

  /** Takes the next message. Returns it; undefined when there is none. */
  hear(): SessionResponse['body'] | undefined {
    const body = this.inbox.shift();
    switch (body?.case) {
      case 'ensure':
        this.#ensure(body.value, false);
        break;
      case 'welcome':
        this.#learnt.clear();
        if (body.value.desiredSet !== undefined) this.#set(body.value.desiredSet, true);
        break;
      case 'desiredSet':
        this.#set(body.value, false);
        break;
      case 'desiredChanges':
        this.#changes(body.value);
        break;
      case 'cancelTask': {
        const bot = this.#all().find(({ task }) => task === body.value.taskId);
        if (bot?.decided?.kind === 'running' && bot.container?.revision !== bot.decided.revision) {
          this.#fail(bot, 'CANCELLED');
        }
        break;
      }
      case 'resultAck':
        this.results.delete(body.value.taskId);
        break;
      default:
    }
    return body;
  }

  #set({ version, bots: ensures, kept, now, openings }: DesiredSet, anew: boolean): void {
    this.#version = version;
    this.#heard = now ?? this.#heard;
    const told = new Set(openings.map(({ id }) => id));
    this.#openings = [...this.#openings.filter(({ id }) => !told.has(id)), ...openings];
    for (const ensure of ensures) this.#ensure(ensure, anew);
    const named = new Set([...ensures, ...kept].map(botKeyText));
    for (const bot of this.#all()) {
      const key = botKeyText(bot);
      if (!named.has(key) && (this.#learnt.get(key) ?? 0n) <= version) this.#absent(bot);
    }
  }

  #changes({ baseVersion, version, bots, gone, now }: DesiredChanges): void {
    if (baseVersion !== this.#version) {
      this.#say({ kind: 'wanted' });
      return;
    }
    this.#version = version;
    this.#heard = now ?? this.#heard;
    for (const ensure of bots) this.#ensure(ensure, false);
    for (const key of gone) {
      const bot = this.bots.get(botKeyText(key));
      if (bot !== undefined) this.#absent(bot);
    }
  }

  #absent(bot: ModelBot): void {
    if (bot.decided?.kind === 'absent') return;
    this.#end(bot, 'CANCELLED');
    const last = bot.decided ?? { epoch: 0n, generation: 0n, revision: 0n, restart: false, claims: false };
    bot.decided = { ...last, kind: 'absent' };
  }

  #ensure(message: Ensure, anew: boolean): void {
    const kind = kinds[message.desired];
    if (kind === undefined) throw new Error('a command without a desired state');
    const { userId, botId, epoch, generation, revision, restart, claimTokens } = message;
    let taskId = message.taskId;
    const kept = this.results.get(taskId);
    if (kept !== undefined) {
      this.#sayResult(kept);
      taskId = '';
    }
    const key = botKeyText({ userId, botId });
    if (message.desiredVersion > 0n) this.#learnt.set(key, message.desiredVersion);
    const bot = this.bots.get(key) ?? {
      userId,
      botId,
      decided: undefined,
      at: undefined,
      spec: undefined,
      container: undefined,
      task: undefined,
      failed: false,
    };
    const decided = { kind, epoch, generation, revision, restart, claims: claimTokens };
    const before = bot.decided;
    const isNewTask = taskId !== '' && bot.task !== taskId;
    if (!anew && before !== undefined && before.kind !== 'absent' && newer(decided, before) < 0) return;
    this.bots.set(key, bot);
    bot.at = message.decided;
    const isSame = before !== undefined && newer(decided, before) === 0 && before.kind === kind;
    if (bot.task !== undefined && bot.task !== taskId && (taskId !== '' || !isSame)) this.#end(bot, 'CANCELLED');
    if (!isSame || isNewTask) bot.failed = false;
    bot.decided = isSame
      ? { ...decided, restart: before.restart || restart, claims: before.claims || claimTokens }
      : decided;
    if (message.spec !== undefined) bot.spec = { revision, token: this.#tokenOf(message.spec) };
    if (taskId !== '') {
      bot.task = taskId;
      this.#say({ kind: 'accepted', taskId });
    }
  }

  /** Whether there is anything to do about the bot. */
  hasWork(bot: ModelBot): boolean {
    const { decided, container, failed, task } = bot;
    if (decided === undefined) return false;
    if (decided.kind === 'removed' || decided.kind === 'absent') return true;
    if (task !== undefined) return true;
    if (decided.kind === 'stopped') return container !== undefined;
    return !failed && !this.#isAsDecided(bot, decided) && bot.spec?.revision === decided.revision;
  }

  /** Whether it runs as decided, or has ended after it was started for that. */
  #isAsDecided({ container }: ModelBot, decided: Decided): boolean {
    if (container === undefined || container.revision !== decided.revision) return false;
    return decided.restart || container.status !== 'running' ? container.startedGeneration >= decided.generation : true;
  }

  /** Does what is to be done about the bot. `claim` asks for its Telegram tokens. False when there is nothing. */
  work(bot: ModelBot, outcome: Outcome, claim: (bot: ModelBot) => Answer): boolean {
    const { decided } = bot;
    if (decided === undefined || !this.hasWork(bot)) return false;
    if (decided.kind !== 'running') {
      if (outcome === 'fail' && bot.task !== undefined) {
        this.#end(bot, 'CONTAINER_ERROR');
        return true;
      }
      bot.container = undefined;
      this.#end(bot);
      if (decided.kind !== 'absent') this.#observe(bot);
      if (decided.kind !== 'stopped') this.bots.delete(botKeyText(bot));
      return true;
    }
    if (bot.failed) {
      this.#end(bot, 'BUILD_FAILED');
      return true;
    }
    const { container } = bot;
    if (this.#isAsDecided(bot, decided) && container !== undefined) {
      bot.container = { ...container, startedGeneration: decided.generation };
      this.#end(bot);
      this.#observe(bot);
      return true;
    }
    if (bot.spec?.revision !== decided.revision && container?.revision !== decided.revision) return false;
    if (outcome === 'fail') {
      this.#fail(bot, 'BUILD_FAILED');
      return true;
    }
    if (decided.claims) {
      const answer = claim(bot);
      if (answer === 'pending') return false;
      if (answer !== 'granted') {
        this.#fail(bot, 'TOKEN_IN_USE');
        return true;
      }
    }
    const replaced = container !== undefined && container.revision !== decided.revision;
    bot.container = {
      id: container?.revision === decided.revision ? container.id : `${this.workerId}-c${++this.#containers}`,
      revision: decided.revision,
      token: bot.spec?.token ?? container?.token ?? '',
      status: outcome === 'crash' ? 'crash_loop' : outcome === 'exit' ? 'exited' : 'running',
      startedGeneration: decided.generation,
    };
    this.#end(bot, undefined, replaced);
    this.#observe(bot);
    return true;
  }

  /** A bot that runs ends by its own doing, or one that crashed is up again. False when it does not run. */
  turn(bot: ModelBot, status: ModelContainer['status']): boolean {
    if (bot.container === undefined || bot.container.status === status || bot.container.status === 'exited')
      return false;
    bot.container = { ...bot.container, status };
    this.#observe(bot);
    return true;
  }

  /** The host is off: nothing runs there. */
  powerOff(): void {
    this.kill();
    for (const bot of this.bots.values()) {
      if (bot.container?.status === 'running') bot.container = { ...bot.container, status: 'crash_loop' };
    }
  }

  /** The host is on again: what should run is started by the worker. */
  powerOn(): void {
    for (const bot of this.bots.values()) {
      const { decided, container } = bot;
      const runs = decided?.kind === 'running' && container?.status === 'crash_loop';
      if (runs && container.revision === decided.revision) bot.container = { ...container, status: 'running' };
    }
  }

  #fail(bot: ModelBot, code: 'BUILD_FAILED' | 'CANCELLED' | 'TOKEN_IN_USE'): void {
    bot.failed = true;
    this.#end(bot, code);
    this.#observe(bot);
  }

  /** Ends the task that the bot has, if any: with success unless there is a code. */
  #end(
    bot: ModelBot,
    code?: 'BUILD_FAILED' | 'CANCELLED' | 'CONTAINER_ERROR' | 'TOKEN_IN_USE',
    replaced = false,
  ): void {
    const { task: taskId } = bot;
    if (taskId === undefined) return;
    bot.task = undefined;
    const result = create(TaskResultSchema, {
      taskId,
      observation: this.#observation(bot),
      outcome:
        code === undefined
          ? { case: 'succeeded', value: { replaced } }
          : { case: 'failed', value: problemToProto(problem(code, `The worker says ${code}.`)) },
    });
    this.results.set(taskId, result);
    this.lastResult = result;
    this.#sayResult(result);
  }

  /** It describes the bot at the end of its task: its present state follows. */
  #sayResult(result: TaskResult): void {
    this.#say({ kind: 'result', result });
    const bot = result.observation && this.bots.get(botKeyText(result.observation));
    if (bot !== undefined) this.#observe(bot);
  }

  #say(message: FromWorker): void {
    this.outbox.push(message);
  }

  #observe(bot: ModelBot): void {
    if (bot.decided?.kind !== 'absent') this.#say({ kind: 'observations', bots: [this.#observation(bot)] });
  }

  #observation(bot: ModelBot): BotObservation {
    const { userId, botId, decided, at, container, failed } = bot;
    return create(BotObservationSchema, {
      userId,
      botId,
      generation: decided?.generation ?? 0n,
      epoch: decided?.epoch ?? 0n,
      ...(at === undefined ? {} : { decided: at }),
      revision: container?.revision ?? 0n,
      state: stateOf(container, failed && decided?.kind === 'running'),
      containerId: container?.id ?? '',
      containerName: container === undefined ? '' : containerName(bot),
      ...(container?.status === 'exited' ? { exitCode: 0, finishedAt: timestampFromMs(1) } : {}),
    });
  }
}

function stateOf(container: ModelContainer | undefined, failed: boolean): BotState {
  switch (container?.status) {
    case 'running':
      return BotState.RUNNING;
    case 'crash_loop':
      return BotState.CRASH_LOOP;
    case 'exited':
      return BotState.EXITED;
    case undefined:
      return failed ? BotState.FAILED : BotState.STOPPED;
  }
}
