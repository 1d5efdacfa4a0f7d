/**
 * The whole engine with its rows in memory and a clock moved by hand. What happens is written down as a trace; after every change the
 * invariants are checked.
 */
import { createHash } from 'node:crypto';
import { create } from '@bufbuild/protobuf';
import { type BotKey, botKeyText } from '#common/ids.ts';
import { ProblemError } from '#common/problem.ts';
import { Secret } from '#common/secret.ts';
import { type BotSpec, BotSpecSchema } from '#gen/botrunner/v1/bot_pb.js';
import { botRunner } from '../../../orchestrator/core/blueprints/bot-runner.ts';
import { testWorkflow } from '../../../orchestrator/core/blueprints/test-workflow.ts';
import { deployParams, type JobInput } from '../../../orchestrator/core/job-params.ts';
import { PartedHistories } from '../../../orchestrator/core/parted-histories.ts';
import type { BotRecord, EventBody, JobRecord } from '../../../orchestrator/core/records.ts';
import { acceptOnce, type NewJob } from '../../../orchestrator/engine/accept.ts';
import { advance } from '../../../orchestrator/engine/advance.ts';
import { endOldBots } from '../../../orchestrator/engine/aging.ts';
import { type Change, type CommitEffect, createChange } from '../../../orchestrator/engine/change.ts';
import { defaultEngineSettings, type EngineContext } from '../../../orchestrator/engine/context.ts';
import { stampCommands } from '../../../orchestrator/engine/ensure.ts';
import { logsResult } from '../../../orchestrator/engine/read.ts';
import { makeRoom } from '../../../orchestrator/engine/takeover.ts';
import { endOverdue, placeWaiting, readLogsAgain, takeUp, workerSilent } from '../../../orchestrator/engine/upkeep.ts';
import { defaultFleetTimes, Fleet } from '../../../orchestrator/fleet/fleet.ts';
import { createManualClock } from '../../kit/manual-clock.ts';
import { checkRows, type Seen } from './invariants.ts';
import { type Backup, MemoryTables } from './memory-tables.ts';
import { Trace } from './trace.ts';

export interface WorldOptions {
  readonly maxBotsPerUser: number;
  readonly maxRuntimeMs: number;
  /** Every change is made twice, the first time rolled back: both must decide the same. */
  readonly twice: boolean;
  /** See MemoryOptions. */
  readonly conflictEvery: number;
}

export interface Deployment {
  readonly code: string;
  readonly token: string;
  /** The token is in the code, not in the environment. */
  readonly tokenInCode: boolean;
  readonly memoryBytes: number;
  readonly takeover: boolean;
}

export const mib = 1024 * 1024;
const sealKey = new Secret<Uint8Array>(new Uint8Array(32).fill(9));
/** The form of a Telegram token. */
export const tokenText = (name: string): string => `123456789:AA${name.padEnd(33, 'x')}`;
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

export class SimulatedEngine {
  readonly trace = new Trace();
  readonly clock = createManualClock();
  readonly #memory: MemoryTables;
  readonly #seen: Seen = new Map();
  readonly #options: WorldOptions;
  protected readonly context: EngineContext;
  protected fleet: Fleet;
  protected histories = new PartedHistories([], -1);
  #openings = 0;
  #acceptedSeq = -1;
  #backup: Backup | undefined;
  #ids = 0;
  protected silent = new Set<string>();
  readonly #codeTokens = new Map<string, string>();
  /** The orchestrator is about to be killed: effects are lost. */
  #dying = false;
  /** Commands to workers fail after their commit. */
  #loses = false;
  #triedRoom = 0;

  constructor(options: WorldOptions) {
    this.#options = options;
    this.#memory = new MemoryTables(options);
    this.fleet = this.#newFleet();
    const { maxBotsPerUser, maxRuntimeMs } = options;
    const fleet = {
      live: () => this.fleet.live(),
      liveOne: (workerId: string) => this.fleet.liveOne(workerId),
      startsRefused: () => this.fleet.startsRefused(),
      isSilent: (workerId: string) => this.fleet.isSilent(workerId),
      view: (bot: Parameters<Fleet['view']>[0]) => this.fleet.view(bot),
    };
    this.context = {
      sealKey,
      settings: { ...defaultEngineSettings, maxBotsPerUser, maxRuntimeMs },
      blueprints: new Map([botRunner, testWorkflow].map((blueprint) => [blueprint.name, blueprint])),
      hasRoom: () => true,
      fleet,
      decided: (bot) => this.histories.decided(bot),
      isHeld: (bot) => this.histories.isHeld(bot),
    };
    this.#openHistory();
    this.change((change) => takeUp(this.context, change));
  }

  get tables() {
    return this.#memory.tables;
  }

  get settings() {
    return this.context.settings;
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
    const begun = this.#ids;
    const run = (keep: boolean) => {
      const now = this.clock.wallMs();
      const newId = () => `id${String(++this.#ids).padStart(8, '0')}`;
      const seen = (shown: Parameters<Fleet['view']>[0]) => {
        const { bot, state } = this.fleet.view(shown);
        return { ...bot, state };
      };
      const inputs = { now, newId, newEventId: newId, seen, seenNumbers: (bot: BotRecord) => this.histories.seen(bot) };
      return this.#memory.transact((tx) => {
        // It may run again.
        this.#ids = begun;
        effects.length = 0;
        told.length = 0;
        const outbox = {
          ...tx.outbox,
          add: (event: Parameters<typeof tx.outbox.add>[0]) => {
            told.push(event.body);
            return tx.outbox.add(event);
          },
        };
        const value = work(createChange({ ...tx, outbox }, inputs, effects));
        stampCommands(tx, effects);
        return value;
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
        if (this.#loses) return;
        this.fleet.send(effect.workerId, effect.body);
        return;
      case 'read_log': {
        const { job } = effect;
        const text = `the log of ${job.botId}`;
        this.change((change) => {
          const now = change.tx.jobs.get(job.jobId);
          if (now === undefined) return;
          const result = logsResult(this.context, change.tx, now, text);
          advance(this.context, change, now, { kind: 'answered', result });
        });
        return;
      }
      case 'make_room':
        this.change((change) => makeRoom(this.context, change, effect.jobId));
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
      return this.change((change) => work(change, this.context));
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
        sizeBytes: 1,
        upload: { uploadId: artifactSha256, chunks: [new Uint8Array(30)] },
        searched: { tokenSha256s: token !== '' && tokenInCode ? [sha256(tokenText(token))] : [], findings: [] },
      },
      ...(idempotencyKey === '' ? {} : { idempotency: { key: idempotencyKey, bodySha256: artifactSha256 } }),
    });
  }

  /** A change without a source: of the memory, and of the token in the environment. */
  configure(key: BotKey, { token, memoryBytes, takeover }: Omit<Deployment, 'code' | 'tokenInCode'>): void {
    const spec = create(BotSpecSchema, {
      env: token === '' ? {} : { BOT_TOKEN: tokenText(token) },
      limits: { memoryBytes: BigInt(memoryBytes * mib) },
    });
    const input = { action: 'configure', params: deployParams({ takeover }) } as const;
    this.request(key, input, { spec: { spec, mode: '', artifactSha256: '' } });
  }

  /** As Restore.open. */
  #openHistory(): void {
    this.histories = new PartedHistories(this.#memory.openAgain(`o${++this.#openings}`), this.#acceptedSeq);
  }

  /** The operator copies the store. */
  backup(): void {
    this.#backup = this.#memory.backup();
  }

  /** The orchestrator is killed and comes back with the copy; nothing happens where there is none. */
  setBack(): void {
    if (this.#backup === undefined) return;
    this.#memory.setBack(this.#backup);
    // Numbers count from where they were then.
    this.#seen.clear();
    this.trace.line('the store is set back');
    this.crash();
  }

  /** The operator lets workers follow the store that was set back: the orchestrator starts again with ACCEPT_RESTORE. */
  acceptRestore(): void {
    this.#acceptedSeq = this.tables.outbox.lastSeq();
    this.trace.line('the restore is accepted');
    this.crash();
  }

  /** The orchestrator is killed and comes back: sessions end, and all that it knows is in its rows. */
  crash(): void {
    this.#dying = false;
    this.#memory.crash();
    this.#openHistory();
    this.fleet = this.#newFleet();
    this.silent = new Set();
    this.#triedRoom = 0;
    this.trace.line('the orchestrator was killed and is back');
    this.change((change) => takeUp(this.context, change));
    this.change(readLogsAgain);
    this.expire();
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

  /** Runs a command of which no worker hears at once. */
  unsent(command: () => void): void {
    this.#loses = true;
    try {
      command();
    } finally {
      this.#loses = false;
    }
  }

  protected expire(): void {
    this.change((change) => endOverdue(this.context, change));
    this.change((change) => endOldBots(this.context, change));
  }

  /** As Engine.placeWaiting. */
  placeWaiting(): void {
    this.#triedRoom = this.#memory.room();
    if (this.tables.jobs.anyWaits()) this.change((change) => placeWaiting(this.context, change));
  }

  /** As Engine.placeFreed. */
  protected placeFreed(): void {
    if (this.#memory.room() > this.#triedRoom) this.placeWaiting();
  }

  protected tokenOf({ env, source }: BotSpec): string {
    const inCode = source.case === 'simple' ? this.#codeTokens.get(source.value.artifactSha256) : undefined;
    return env['BOT_TOKEN'] ?? inCode ?? '';
  }

  /** The watch over the workers. */
  protected look(): void {
    for (const { workerId } of this.tables.workers.all()) {
      if (!this.fleet.isSilent(workerId)) this.silent.delete(workerId);
      else if (!this.silent.has(workerId)) {
        this.silent.add(workerId);
        this.trace.line(`${workerId} is silent`);
        this.change((change) => workerSilent(this.context, change, workerId));
      }
    }
  }

  isSilent(workerId: string): boolean {
    return this.fleet.isSilent(workerId);
  }

  /** Every bot there is, deleted ones that are not gone among them. */
  bots(): readonly BotRecord[] {
    return this.#memory.bots();
  }

  show(key: BotKey): void {
    this.trace.bot(botKeyText(key), this.tables.bots.get(key));
  }
}
