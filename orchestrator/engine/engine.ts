/**
 * The engine: accepts jobs, drives them through their blueprints, and takes what workers report. What is decided is in the other files
 * of this folder, as functions of a change; this one says when they run, and what is done after their commit.
 *
 * Invariants:
 * 1. Every change is one transaction; effects run after it is on disk.
 * 2. Of the mutating jobs of one bot at most one is not pending; the rest begin in order.
 * 3. Every job has a deadline and ends by it.
 * 4. A stop or delete does not wait for a start: it ends it.
 * 5. What one user asks for waits for no more than a part of a commit of each other user's.
 */
import { inBackground } from '#common/background.ts';
import type { Clock } from '#common/clock.ts';
import type { BotKey } from '#common/ids.ts';
import type { Logger } from '#common/log.ts';
import { ProblemError, refuse, unwrap } from '#common/problem.ts';
import { createUlids } from '#common/ulids.ts';
import { Turns } from '#common/waiting/turns.ts';
import type { BotSpec } from '#gen/botrunner/v1/bot_pb.js';
import type { BotObservation, ClaimTokensRequest, Ensure, TaskResult } from '#gen/botrunner/v1/worker_service_pb.js';
import type { JobEvent } from '../core/blueprints/blueprint.ts';
import { isSourceQuota, isStorageFull } from '../core/no-room.ts';
import type { BotRecord, JobRecord, WorkerStatus } from '../core/records.ts';
import type { Usage } from '../core/user-limits.ts';
import type { Store } from '../store/store.ts';
import type { Reading } from '../store/tables.ts';
import { removeUnfinished } from '../store/upload-removal.ts';
import { type Want, wantBot, wantBotsOfUser, wantIdempotencyKey, wantJob } from '../store/want.ts';
import { acceptOnce, cancelJob, checkRequest, jobOf, type NewJob } from './accept.ts';
import { advance } from './advance.ts';
import { endOldBots, nextAging } from './aging.ts';
import { type Change, type ChangeInputs, type CommitEffect, createChange } from './change.ts';
import type { EngineContext, FleetPort } from './context.ts';
import { desiredBots, desiredOf } from './desired-set.ts';
import { DueTimer } from './due-timer.ts';
import { stampCommands } from './ensure.ts';
import { type FreedBot, forgetWorker } from './forgetting.ts';
import {
  endFreeTask,
  giveBackTask,
  giveBackTasksOf,
  type HandedTask,
  type TaskOutcome,
  takeTask,
} from './free-tasks.ts';
import { ascendingIds } from './ids.ts';
import { createInputs } from './inputs.ts';
import { beginMove, type MoveBegun } from './moving.ts';
import { observe, publishWorkers } from './observe.ts';
import { type BotList, listBots, logsResult, readFailure, specToShow } from './read.ts';
import { applyResult, noteAccepted, noteProgress } from './results.ts';
import { isDamaged } from './specs.ts';
import { StoredTimes } from './stored-times.ts';
import { claimTokens, makeRoom } from './takeover.ts';
import { decideAnew, endDamaged, endOverdue, placeWaiting, readLogsAgain, takeUp, workerSilent } from './upkeep.ts';
import { usageOf } from './usage.ts';

/** What the engine is given by the program. */
export interface EnginePorts extends Omit<EngineContext, 'hasRoom'>, Pick<ChangeInputs, 'seen' | 'seenNumbers'> {
  readonly store: Store;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly fleet: FleetPort;
  /** The end of a bot's log as text; rejects with ProblemError. */
  readonly readLogText: (bot: BotRecord, lines: number, signal: AbortSignal) => Promise<string>;
  /** Removes the sources that nothing of the user needs now; whether there were any. */
  readonly freeSources: (userId: string) => Promise<boolean>;
  /** A task that any worker may take has been made. */
  readonly taskOffered: (type: string) => void;
  /** A job has changed: this is how it is now. */
  readonly jobChanged: (job: JobRecord) => void;
}

const never = Number.POSITIVE_INFINITY;
// Of one user, to be accepted at once: as many as one stream may have under way, and half of what shares a commit, so that others, and
// what workers report, find room in the next one.
const ofUserMax = 512;

const nextDueIn = (tx: Reading): number => Math.min(tx.jobs.nextDeadline() ?? never, nextAging(tx) ?? never);

const wantsOf = ({ userId, botId, idempotency }: NewJob): readonly Want[] => [
  ...(botId === '' ? [] : [wantBot({ userId, botId })]),
  ...(idempotency === undefined ? [] : [wantIdempotencyKey(userId, idempotency.key)]),
];

export class Engine {
  readonly #ports: EnginePorts & EngineContext;
  readonly #times: StoredTimes;
  readonly #newId: () => string;
  readonly #eventIdAt = createUlids();
  readonly #stopping = new AbortController();
  readonly #turns = new Turns(ofUserMax);
  readonly #due: DueTimer;
  /** Store.room() at the last attempt to place what waits. */
  #triedRoom = 0;

  private constructor(ports: EnginePorts, times: StoredTimes, newestId: string | undefined) {
    this.#ports = { ...ports, hasRoom: () => ports.store.hasRoom() };
    this.#times = times;
    this.#newId = ascendingIds(() => ports.clock.wallMs(), newestId);
    const { clock, logger } = ports;
    this.#due = new DueTimer({
      clock,
      logger,
      remainingMs: (at) => times.remainingMs(at),
      expire: () => this.#expire(),
    });
  }

  static async open(ports: EnginePorts): Promise<Engine> {
    const { store, clock, logger } = ports;
    const times = await StoredTimes.open(store, clock, logger);
    return new Engine(ports, times, await store.upkeep.newestId());
  }

  /** Takes up what an earlier run left: deadlines that passed meanwhile. */
  async start(): Promise<void> {
    await removeUnfinished(this.#ports.store, this.#ports.logger, this.#stopping.signal);
    const mark = this.#times.mark();
    await this.#change((change) => {
      if (mark !== undefined) change.tx.clock.setMark(mark);
      takeUp(this.#ports, change);
    });
    await this.#change(readLogsAgain);
    await this.#noteDamaged();
    await this.#expire();
  }

  /** Says which bots are damaged, and ends the jobs that were to run one. */
  async #noteDamaged(): Promise<void> {
    const { sealKey, store, logger } = this.#ports;
    const found = (await store.upkeep.sealedBots()).filter((bot) => isDamaged(sealKey, bot));
    if (found.length === 0) return;
    const bots = found.map(({ userId, botId }) => `${userId}/${botId}`);
    logger.error(
      { bots },
      'the stored data of these bots cannot be decrypted; they are shown as damaged and left untouched',
    );
    await this.#change((change) => endDamaged(this.#ports, change, found));
  }

  stop(): void {
    this.#stopping.abort();
    this.#due.stop();
  }

  /** What is left of a job's time, ms. */
  remainingMs(job: Pick<JobRecord, 'deadlineAt'>): number {
    return this.#times.remainingMs(job.deadlineAt);
  }

  /** Runs the work in one transaction, and after its commit what it asked for. */
  async #change<T>(work: (change: Change) => T, when: 'now' | 'soon' = 'now', wants: readonly Want[] = []): Promise<T> {
    this.#times.follow();
    const effects: CommitEffect[] = [];
    const { store, clock, seen, seenNumbers, logger } = this.#ports;
    const begin = createInputs({ wallMs: () => clock.wallMs(), newId: this.#newId, eventId: this.#eventIdAt });
    const { value, nextDue } = await store.change(
      wants,
      (tx) => {
        // It may be undone or run again; effects of an earlier run must not outlive that.
        effects.length = 0;
        const done = work(createChange(tx, { ...begin(), seen, seenNumbers }, effects));
        stampCommands(tx, effects);
        return { value: done, nextDue: nextDueIn(tx) };
      },
      when,
    );
    for (const effect of effects) {
      try {
        this.#carryOut(effect);
      } catch (error) {
        // What was decided is on disk; reconciliation repeats what a failed effect would have done.
        logger.error({ err: error }, 'an effect failed after its commit');
      }
    }
    this.#due.note(nextDue);
    return value;
  }

  #carryOut(effect: CommitEffect): void {
    const { fleet, logger } = this.#ports;
    switch (effect.kind) {
      case 'send':
        fleet.send(effect.workerId, effect.body);
        return;
      case 'read_log':
        inBackground(this.#answerLogs(effect.job), (error) => {
          logger.error({ err: error }, 'a log was read, but its job could not be ended; it ends by its deadline');
        });
        return;
      case 'make_room':
        this.#change((change) => makeRoom(this.#ports, change, effect.jobId)).catch((error: unknown) => {
          const { jobId } = effect;
          logger.error({ err: error, jobId }, 'the bots that a takeover waits for could not be stopped');
        });
        return;
      case 'task_offered':
        this.#ports.taskOffered(effect.type);
        return;
      case 'job_changed':
        this.#ports.jobChanged(effect.job);
        return;
      case 'log':
        logger.info(effect.about, effect.message);
    }
  }

  /** Accepts a job, or returns the one that the same Idempotency-Key made before. Throws ProblemError. */
  createJob(request: NewJob): Promise<JobRecord> {
    const accept = () => this.#change((change) => acceptOnce(this.#ports, change, request), 'now', wantsOf(request));
    return this.#turns.run(request.userId, () =>
      accept().catch(async (error: unknown) => {
        await this.#makeRoom(error, request.userId);
        return accept();
      }),
    );
  }

  /** Sees whether there is room now for what was refused for want of it; otherwise throws the refusal. */
  async #makeRoom(error: unknown, userId: string): Promise<void> {
    if (isStorageFull(error)) await this.#ports.store.assertRoom();
    else if (!isSourceQuota(error) || !(await this.#ports.freeSources(userId))) throw error;
  }

  /** Undefined while a job of the user would be taken at once; else it resolves when that may be so. */
  whenFree(userId: string): Promise<void> | undefined {
    return this.#turns.whenFree(userId);
  }

  /** Refuses now what createJob would refuse whatever its artifact holds. Throws ProblemError. */
  checkRequest(request: NewJob): Promise<void> {
    return this.#ports.store.look(wantsOf(request), (tx) => checkRequest(this.#ports, tx, request));
  }

  /** Ends a job early; a job that is final stays as it is. Returns it as it is now. */
  cancelJob(userId: string, jobId: string): Promise<JobRecord> {
    return this.#change((change) => cancelJob(this.#ports, change, userId, jobId));
  }

  getJob(userId: string, jobId: string): Promise<JobRecord> {
    return this.#ports.store.look([wantJob(jobId)], (tx) => jobOf(tx, userId, jobId));
  }

  /** A job, and the place in the log of events that it is as of: later events are not in it. */
  getJobAt(userId: string, jobId: string): Promise<{ readonly job: JobRecord; readonly seq: number }> {
    return this.#ports.store.look([wantJob(jobId)], (tx) => ({
      job: jobOf(tx, userId, jobId),
      seq: tx.outbox.lastSeq(),
    }));
  }

  getBot(userId: string, botId: string): Promise<BotRecord> {
    return this.#ports.store.look([wantBot({ userId, botId })], (tx) => {
      const bot = tx.bots.get({ userId, botId });
      if (bot === undefined || bot.desired === 'removed') {
        refuse('BOT_NOT_FOUND', `There is no bot named ${botId.slice(0, 64)}.`);
      }
      return bot;
    });
  }

  /** The spec by which a bot is configured. Secret. */
  getSpec(key: BotKey): Promise<BotSpec> {
    return this.#ports.store.look([wantBot(key)], (tx) => unwrap(specToShow(this.#ports, tx, key)));
  }

  /** What the user has of all that is limited or grows. */
  async usage(userId: string): Promise<Usage> {
    const { store } = this.#ports;
    const history = await store.upkeep.historyOf(userId);
    return store.look([wantBotsOfUser(userId)], (tx) => usageOf(this.#ports, tx, userId, history));
  }

  listBots(userId: string): Promise<BotList> {
    return this.#ports.store.look([wantBotsOfUser(userId)], (tx) => listBots(this.#ports, tx, userId));
  }

  /** What workers report. */
  observe(workerId: string, reports: readonly BotObservation[]): Promise<void> {
    return this.#change((change) => observe(this.#ports, change, workerId, reports), 'soon');
  }

  /** Decides once more what was decided about these bots, with numbers and a revision above all that their worker has seen. */
  decideAnew(keys: readonly BotKey[]): Promise<void> {
    return this.#change((change) => decideAnew(change, keys));
  }

  /** A worker asks for the Telegram tokens in the source of a bot it is about to build. Throws ProblemError. */
  claimTokens(workerId: string, claim: ClaimTokensRequest): Promise<{ readonly pending: boolean }> {
    return this.#change((change) => claimTokens(this.#ports, change, workerId, claim));
  }

  /** A task has arrived at its worker. */
  taskAccepted(workerId: string, taskId: string): Promise<void> {
    return this.#change((change) => noteAccepted(change, workerId, taskId), 'soon');
  }

  /** A task makes progress; people who watch the job see the line. Resolves with the job's id while it is open. */
  taskProgress(workerId: string, taskId: string, message: string): Promise<string | undefined> {
    return this.#change((change) => noteProgress(change, workerId, taskId, message), 'soon');
  }

  /** A task has ended. Resolves once that is on disk and may be acknowledged. */
  taskEnded(workerId: string, result: TaskResult): Promise<void> {
    return this.#change((change) => applyResult(this.#ports, change, workerId, result), 'soon');
  }

  /** Hands a worker the oldest task of a type it knows, if there is one besides `except`. */
  takeTask(workerId: string, types: readonly string[], except: readonly string[]): Promise<HandedTask | undefined> {
    return this.#change((change) => takeTask(change, workerId, types, except));
  }

  /** Lets the next worker have a task that is about no bot. False when it is not this worker's, or has ended. */
  giveBackTask(workerId: string, taskId: string, reason: string): Promise<boolean> {
    return this.#change((change) => giveBackTask(change, workerId, taskId, reason));
  }

  /** As giveBackTask, for all that the worker has. Resolves with whether there were any. */
  giveBackTasksOf(workerId: string, reason: string): Promise<boolean> {
    return this.#change((change) => giveBackTasksOf(change, workerId, reason));
  }

  /** Takes the end of a task that is about no bot. False when this worker has no such task. */
  freeTaskEnded(workerId: string, taskId: string, outcome: TaskOutcome): Promise<boolean> {
    return this.#change((change) => {
      const task = change.tx.tasks.get(taskId);
      return task !== undefined && endFreeTask(this.#ports, change, workerId, task, outcome);
    });
  }

  /** Publishes workers whose status has changed, and those of their bots that look different because of it. */
  publishWorkers(workers: readonly WorkerStatus[]): Promise<void> {
    return this.#change((change) => publishWorkers(this.#ports, change, workers));
  }

  /** Begins to move a bot away from a worker, or says why it stays there. */
  moveAway(key: BotKey, workerId: string): Promise<MoveBegun> {
    return this.#change((change) => beginMove(this.#ports, change, key, workerId));
  }

  /** A worker is silent now: what was to be stopped or removed there stays a decision, and its jobs end. */
  workerSilent(workerId: string): Promise<void> {
    return this.#change((change) => workerSilent(this.#ports, change, workerId));
  }

  /** Frees what a worker holds whose host is off. The caller has made sure that it is silent. */
  forgetWorker(workerId: string): Promise<readonly FreedBot[]> {
    return this.#change((change) => forgetWorker(this.#ports, change, workerId));
  }

  /** Everything a worker should run, with the tasks that are open there. */
  desiredBots(tx: Reading, workerId: string): readonly Ensure[] {
    return desiredBots(this.#ports, tx, workerId, (job) => this.remainingMs(job));
  }

  /** The same for one bot: none when the worker should have nothing of it. */
  desiredOf(tx: Reading, workerId: string, key: BotKey): readonly Ensure[] {
    return desiredOf(this.#ports, tx, workerId, key, (job) => this.remainingMs(job));
  }

  /** A job of any user, for the orchestrator's own watching. */
  findJob(jobId: string): Promise<JobRecord | undefined> {
    return this.#ports.store.look([wantJob(jobId)], (tx) => tx.jobs.get(jobId));
  }

  /** As placeWaiting, if room was given back since the last attempt that could make a difference to what waits. */
  async placeFreed(): Promise<void> {
    if (this.#ports.store.room() > this.#triedRoom) await this.placeWaiting();
  }

  /** Tries again to place what waits for a worker: one has joined, become ready, or has room again. */
  async placeWaiting(): Promise<void> {
    const { store } = this.#ports;
    this.#triedRoom = store.room();
    if (!(await store.look([], (tx) => tx.jobs.anyWaits()))) return;
    await this.#change((change) => placeWaiting(this.#ports, change));
  }

  async #answerLogs(job: JobRecord): Promise<void> {
    const { store, readLogText, logger } = this.#ports;
    const left = Math.max(1, this.remainingMs(job));
    const signal = AbortSignal.any([this.#stopping.signal, AbortSignal.timeout(left)]);
    let event: JobEvent;
    try {
      const bot = await store.look([wantBot(job)], (tx) => tx.bots.get(job));
      if (bot === undefined) refuse('BOT_NOT_FOUND', `There is no bot named ${job.botId}.`);
      const text = await readLogText(bot, job.action === 'logs' ? job.params.lines : 0, signal);
      const result = await store.look([wantBot(job)], (tx) => logsResult(this.#ports, tx, job, text));
      event = { kind: 'answered', result };
    } catch (error) {
      if (this.#stopping.signal.aborted) return;
      if (!(error instanceof ProblemError)) logger.warn({ err: error }, 'reading a log failed');
      event = { kind: 'aborted', problem: readFailure(error) };
    }
    await this.#change((change) => {
      const now = change.tx.jobs.get(job.jobId);
      if (now !== undefined) advance(this.#ports, change, now, event);
    });
  }

  async #expire(): Promise<void> {
    await this.#change((change) => endOverdue(this.#ports, change));
    await this.#change((change) => endOldBots(this.#ports, change));
  }
}
