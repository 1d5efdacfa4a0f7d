/**
 * The engine: accepts jobs, drives them through their blueprints, and takes what workers report.
 *
 * Invariants:
 * 1. Every change is one transaction; effects run after it is on disk.
 * 2. Of the mutating jobs of one bot at most one is not pending; the rest begin in order.
 * 3. Every job has a deadline and ends by then.
 * 4. A stop or delete does not wait for a start: it ends it.
 */
import { inBackground } from '#common/background.ts';
import { ClockSteps } from '#common/clock-steps.ts';
import type { BotKey } from '#common/ids.ts';
import { ProblemError, problem, refuse } from '#common/problem.ts';
import { createUlids } from '#common/ulids.ts';
import type { BotObservation, ClaimTokensRequest, TaskResult } from '#gen/botrunner/v1/worker_service_pb.js';
import { rowOf } from '../core/actions.ts';
import type { JobEvent } from '../core/blueprints/blueprint.ts';
import { type BotRecord, isFinal, type JobRecord, type WorkerStatus } from '../core/records.ts';
import { acceptJob, checkRequest, repeatedJob } from './accept.ts';
import { advance, decideAlone } from './advance.ts';
import { endOldBots, nextAging } from './aging.ts';
import { beginMove, type MoveBegun } from './begin-move.ts';
import { type Change, createChange } from './change.ts';
import { claimTokens } from './claim-tokens.ts';
import type { EngineContext } from './context.ts';
import { deadlineProblem } from './deadlines.ts';
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
import { endDeleteOf } from './leftovers.ts';
import { makeRoom } from './make-room.ts';
import type { NewJob } from './new-job.ts';
import { applyObservation } from './observe.ts';
import { place } from './placing.ts';
import { logsResult, readFailure } from './read.ts';
import { applyResult } from './results.ts';
import { damaged, isDamaged, openSoundSpec } from './specs.ts';
import { tellWorkers } from './tell-workers.ts';
import { renewTokenKeys, tokenHolders } from './token-ownership.ts';

/** Where a bot's log is read from; given to the engine as a function. */
export interface EnginePorts extends Omit<EngineContext, 'requestLogs' | 'makeRoom' | 'newId'> {
  /** The end of a bot's log as text; rejects with ProblemError. */
  readonly readLogText: (bot: BotRecord, lines: number, signal: AbortSignal) => Promise<string>;
}

const never = Number.POSITIVE_INFINITY;

export class Engine {
  readonly #context: EngineContext;
  readonly #readLogText: EnginePorts['readLogText'];
  readonly #stopping = new AbortController();
  readonly #steps: ClockSteps;
  readonly #eventIdAt = createUlids();
  #cancelTimer: (() => void) | undefined;
  #armsTimer = false;

  constructor(ports: EnginePorts) {
    const { clock } = ports;
    const { jobs, tasks, clock: kept } = ports.store.read;
    this.#readLogText = ports.readLogText;
    this.#steps = new ClockSteps(clock, kept.mark());
    const newest = [jobs.newestId() ?? '', tasks.newestId() ?? ''].sort().at(-1);
    this.#context = {
      ...ports,
      newId: ascendingIds(() => clock.wallMs(), newest),
      requestLogs: (job) => {
        inBackground(this.#answerLogs(job), (error) => {
          ports.logger.error({ err: error }, 'a log was read, but its job could not be ended; it ends by its deadline');
        });
      },
      makeRoom: (jobId) => {
        this.#makeRoom(jobId).catch((error: unknown) => {
          ports.logger.error({ err: error, jobId }, 'the bots that a takeover waits for could not be stopped');
        });
      },
    };
  }

  /** Takes up what an earlier run left: deadlines that passed meanwhile. */
  async start(): Promise<void> {
    await this.#change(({ tx, now }) => {
      const mark = this.#steps.mark();
      if (mark !== undefined) tx.clock.setMark(mark);
      // Between two boots of the machine only the wall clock tells how long it was; set back, it must not give more time.
      tx.jobs.boundDeadlines(now);
      tx.bots.boundAges(now);
      tx.artifacts.discardUnfinished();
      renewTokenKeys(this.#context, tx);
      tx.bots.setMaxRuntime(this.#context.settings.maxRuntimeMs);
      return undefined;
    });
    await this.#change((change) => {
      // A reading was waiting for an answer that died with the process.
      for (const job of change.tx.jobs.withStatus('running'))
        if (rowOf(job.action).reads === 'logs') this.#context.requestLogs(job);
    });
    await this.#noteDamaged();
    await this.#expire();
  }

  /** Says which bots are damaged, and ends the jobs that were to run one: their worker could not be given its spec. */
  async #noteDamaged(): Promise<void> {
    const { sealKey, logger } = this.#context;
    const found = this.#store.read.bots.sealed().filter((bot) => isDamaged(sealKey, bot));
    if (found.length === 0) return;
    const bots = found.map(({ userId, botId }) => `${userId}/${botId}`);
    logger.error(
      { bots },
      'what is stored of these bots cannot be opened; they are shown as damaged and left untouched',
    );
    await this.#change((change) => {
      for (const key of found) {
        const bot = change.tx.bots.get(key);
        const [job] = change.tx.jobs.openOfBot(key);
        if (bot?.desired !== 'running' || job === undefined || job.status === 'pending') continue;
        advance(this.#context, change, job, { kind: 'aborted', problem: damaged(bot.botId) });
      }
    });
  }

  stop(): void {
    this.#stopping.abort();
    this.#cancelTimer?.();
  }

  get #store() {
    return this.#context.store;
  }

  /**
   * Moves what is stored of times that lie ahead, so that a clock that is set shortens or lengthens no deadline. Its write is
   * queued before that of its caller.
   */
  #followClock(): void {
    const stepMs = this.#steps.take();
    if (stepMs === 0) return;
    const { logger } = this.#context;
    logger.warn({ stepMs }, 'the clock of this machine was set; deadlines are kept by the time that is left');
    this.#store
      .write((tx) => {
        tx.jobs.followClock(stepMs);
        tx.bots.followClock(stepMs);
        const mark = this.#steps.mark();
        if (mark !== undefined) tx.clock.setMark(mark);
      })
      .catch((error: unknown) => {
        this.#steps.giveBack(stepMs);
        logger.error({ err: error }, 'the times of jobs could not be moved with the clock; trying again');
      });
  }

  /** What is left of a job's time, ms. */
  remainingMs(job: Pick<JobRecord, 'deadlineAt'>): number {
    return job.deadlineAt + this.#steps.pending() - this.#context.clock.wallMs();
  }

  async #change<T>(work: (change: Change) => T): Promise<T> {
    this.#followClock();
    const effects: (() => void)[] = [];
    const { clock, published, logger } = this.#context;
    const value = await this.#store.write((tx) => {
      // A write may be undone; its effects must not outlive it.
      effects.length = 0;
      const now = clock.wallMs();
      return work(createChange({ tx, now, published, eventId: () => this.#eventIdAt(now), effects }));
    });
    for (const effect of effects) {
      try {
        effect();
      } catch (error) {
        // What was decided is on disk; reconciliation repeats what a failed effect would have done.
        logger.error({ err: error }, 'an effect failed after its commit');
      }
    }
    this.#armTimerSoon();
    return value;
  }

  /** Accepts a job, or returns the one that the same Idempotency-Key made before. Throws ProblemError. */
  createJob(request: NewJob): Promise<JobRecord> {
    return this.#change((change) => {
      return repeatedJob(change.tx, request) ?? acceptJob(this.#context, change, request);
    });
  }

  /** Refuses now what createJob would refuse whatever its artifact holds. Throws ProblemError. */
  checkRequest(request: NewJob): void {
    checkRequest(this.#context, this.#store.read, request);
  }

  /** Ends a job early; a job that is final stays as it is. Returns it as it is now. */
  cancelJob(userId: string, jobId: string): Promise<JobRecord> {
    return this.#change((change) => {
      const job = change.tx.jobs.get(jobId);
      if (job === undefined || job.userId !== userId) throw jobNotFound();
      return advance(this.#context, change, job, {
        kind: 'aborted',
        problem: problem('CANCELLED', 'The job was cancelled by its user.'),
      });
    });
  }

  getJob(userId: string, jobId: string): JobRecord {
    const job = this.#store.read.jobs.get(jobId);
    if (job === undefined || job.userId !== userId) throw jobNotFound();
    return job;
  }

  getBot(userId: string, botId: string): BotRecord {
    const bot = this.#store.read.bots.get({ userId, botId });
    if (bot === undefined || bot.desired === 'removed') {
      refuse('BOT_NOT_FOUND', `There is no bot named ${botId.slice(0, 64)}.`);
    }
    return bot;
  }

  /** What workers report. */
  observe(workerId: string, reports: readonly BotObservation[]): Promise<void> {
    return this.#change((change) => {
      for (const report of reports) {
        const bot = change.tx.bots.get(report);
        if (bot !== undefined && !this.#context.isHeld(bot)) applyObservation(change, workerId, report);
      }
    });
  }

  /** Decides once more what was decided about these bots, with numbers and a revision above all that their worker has seen. */
  decideAnew(keys: readonly BotKey[]): Promise<void> {
    return this.#change((change) => {
      for (const key of keys) {
        const bot = change.tx.bots.get(key);
        const generation = (bot?.generation ?? 0) + 1;
        if (bot !== undefined) change.putBot({ ...bot, generation, revision: generation });
      }
    });
  }

  /** A worker asks for the Telegram tokens in the source of a bot it is about to build. Throws ProblemError. */
  claimTokens(workerId: string, claim: ClaimTokensRequest): Promise<{ readonly pending: boolean }> {
    return this.#change((change) => claimTokens(this.#context, change, workerId, claim));
  }

  /** A task has arrived at its worker. */
  taskAccepted(workerId: string, taskId: string): Promise<void> {
    return this.#change((change) => {
      const task = change.tx.tasks.get(taskId);
      if (task?.workerId !== workerId || task.status !== 'open') return;
      change.tx.tasks.put({ ...task, status: 'accepted', acceptedAt: change.now });
    });
  }

  /** A task makes progress; people who watch the job see the line. */
  taskProgress(workerId: string, taskId: string, message: string): Promise<string | undefined> {
    return this.#change((change) => {
      const task = change.tx.tasks.get(taskId);
      if (task?.workerId !== workerId || task.status === 'done') return undefined;
      const job = change.tx.jobs.get(task.jobId);
      if (job === undefined || isFinal(job.status)) return undefined;
      if (message !== '' && message !== job.reason) change.putJob({ ...job, reason: message.slice(0, 500) });
      return job.jobId;
    });
  }

  /** A task has ended. Resolves once that is on disk and may be acknowledged. */
  taskEnded(workerId: string, result: TaskResult): Promise<void> {
    return this.#change((change) => applyResult(this.#context, change, workerId, result));
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

  /** Takes the end of a task that is about no bot. False when there is none such of this worker. */
  freeTaskEnded(workerId: string, taskId: string, outcome: TaskOutcome): Promise<boolean> {
    return this.#change((change) => {
      const task = change.tx.tasks.get(taskId);
      return task !== undefined && endFreeTask(this.#context, change, workerId, task, outcome);
    });
  }

  /** Tells of workers that are seen differently now, and of their bots where those look different by it. */
  tellWorkers(workers: readonly WorkerStatus[]): Promise<void> {
    return this.#change((change) => tellWorkers(this.#context, change, workers));
  }

  /** Begins to move a bot away from a worker, or says why it stays there. */
  moveAway(key: BotKey, workerId: string): Promise<MoveBegun> {
    return this.#change((change) => beginMove(this.#context, change, key, workerId));
  }

  /** A worker is silent now: what was to be stopped or removed there stays a decision, and its jobs end. */
  workerSilent(workerId: string): Promise<void> {
    return this.#change((change) => {
      const { bots, jobs, leftovers } = change.tx;
      for (const bot of bots.ofWorker(workerId)) {
        const job = jobs.openOfBot(bot)[0];
        if (job !== undefined && job.status !== 'pending') decideAlone(this.#context, change, job);
      }
      for (const leftover of leftovers.ofWorker(workerId)) endDeleteOf(this.#context, change, leftover);
    });
  }

  /** Frees what a worker holds whose host is off. The caller has made sure that it is silent. */
  forgetWorker(workerId: string): Promise<readonly FreedBot[]> {
    return this.#change((change) => forgetWorker(this.#context, change, workerId));
  }

  /** A job of any user, for the orchestrator's own watching. */
  findJob(jobId: string): JobRecord | undefined {
    return this.#store.read.jobs.get(jobId);
  }

  /** Tries again to place what waits for a worker: one has joined, become ready, or has room again. */
  async placeWaiting(): Promise<void> {
    if (!this.#store.read.jobs.anyWaits()) return;
    await this.#change((change) => {
      for (const job of change.tx.jobs.withStatus('waiting_for_worker')) {
        const bot = change.tx.bots.get(job);
        if (bot === undefined) continue;
        if (bot.desired === 'running' && isDamaged(this.#context.sealKey, bot)) {
          advance(this.#context, change, job, { kind: 'aborted', problem: damaged(bot.botId) });
        } else place(this.#context, change, job, bot);
      }
    });
  }

  async #answerLogs(job: JobRecord): Promise<void> {
    const left = Math.max(1, this.remainingMs(job));
    const signal = AbortSignal.any([this.#stopping.signal, AbortSignal.timeout(left)]);
    const bot = this.#store.read.bots.get(job);
    let event: JobEvent;
    try {
      if (bot === undefined) refuse('BOT_NOT_FOUND', `There is no bot named ${job.botId}.`);
      const text = await this.#readLogText(bot, job.action === 'logs' ? job.params.lines : 0, signal);
      event = { kind: 'answered', result: logsResult(this.#context, job, text) };
    } catch (error) {
      if (this.#stopping.signal.aborted) return;
      if (!(error instanceof ProblemError)) this.#context.logger.warn({ err: error }, 'reading a log failed');
      event = { kind: 'aborted', problem: readFailure(error) };
    }
    await this.#advanceById(job.jobId, event);
  }

  /** Stops the bots whose tokens the job takes over; it goes to its worker when they are gone. */
  #makeRoom(jobId: string): Promise<void> {
    return this.#change((change) => {
      const job = change.tx.jobs.get(jobId);
      const bot = job && change.tx.bots.get(job);
      if (job?.status !== 'waiting_for_worker' || bot === undefined) return;
      const spec = openSoundSpec(this.#context.sealKey, bot, bot.specSealed);
      const holders = spec === undefined ? [] : tokenHolders(this.#context, change.tx, bot, spec);
      try {
        if (holders.length > 0) makeRoom(this.#context, change, job, holders);
        else place(this.#context, change, job, bot);
      } catch (error) {
        if (!(error instanceof ProblemError)) throw error;
        advance(this.#context, change, job, { kind: 'aborted', problem: error.problem });
      }
    });
  }

  #advanceById(jobId: string, event: JobEvent): Promise<void> {
    return this.#change((change) => {
      const job = change.tx.jobs.get(jobId);
      if (job !== undefined) advance(this.#context, change, job, event);
    });
  }

  /** Once for all changes of a turn. A microtask: a clock that a test moves must find the timer set when the change is answered. */
  #armTimerSoon(): void {
    if (this.#armsTimer) return;
    this.#armsTimer = true;
    queueMicrotask(() => {
      this.#armsTimer = false;
      this.#armTimer();
    });
  }

  /** One timer for all deadlines, of jobs and of bots that get too old: set for the next one after each change. */
  #armTimer(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    if (this.#stopping.signal.aborted) return;
    const { read } = this.#store;
    const next = Math.min(read.jobs.nextDeadline() ?? never, nextAging(read) ?? never);
    if (next === never) return;
    this.#cancelTimer = this.#context.clock.after(this.remainingMs({ deadlineAt: next }), () => {
      this.#expire().catch((error: unknown) => {
        this.#context.logger.error({ err: error }, 'ending overdue jobs and old bots failed');
      });
    });
  }

  async #expire(): Promise<void> {
    await this.#change((change) => {
      for (const job of change.tx.jobs.overdue(change.now)) {
        advance(this.#context, change, job, { kind: 'aborted', problem: deadlineProblem(job) });
      }
    });
    await this.#change((change) => endOldBots(this.#context, change));
  }
}

const jobNotFound = () => new ProblemError(problem('JOB_NOT_FOUND', 'There is no such job.'));
