/**
 * The engine: accepts jobs, drives them through their blueprints, and takes what workers report.
 *
 * Invariants:
 * 1. Every change is one transaction; effects run after it is on disk.
 * 2. Of the mutating jobs of one bot at most one is not pending; the rest begin in order.
 * 3. Every job has a deadline and ends by then.
 * 4. A stop or delete does not wait for a start: it ends it.
 */
import { ulid } from 'ulid';
import type { JsonObject } from '#common/problem.ts';
import { type Problem, ProblemError, problem, refuse } from '#common/problem.ts';
import type { BotSpec } from '#gen/botrunner/v1/bot_pb.js';
import type { BotObservation, TaskResult } from '#gen/botrunner/v1/worker_service_pb.js';
import { checkQuota } from '../core/quota.ts';
import { type BotRecord, isFinal, type JobRecord } from '../core/records.ts';
import type { Action } from '../core/validate/bot-request.ts';
import type { Tables } from '../store/store.ts';
import { place } from './activate.ts';
import { advance, beginNext } from './advance.ts';
import { type Change, createChange } from './change.ts';
import type { EngineContext } from './context.ts';
import { applyObservation } from './observe.ts';
import { activeBots, logsResult, readFailure } from './read.ts';
import { applyResult } from './results.ts';
import { sealSpec } from './specs.ts';

/** A request that passed its validator. */
export interface NewJob {
  readonly userId: string;
  readonly blueprint: string;
  readonly action: Action;
  /** Empty for list. */
  readonly botId: string;
  /** For start and update. */
  readonly spec?: { readonly spec: BotSpec; readonly mode: string; readonly artifactSha256: string };
  /** An artifact that came with the request; stored with the job, in one commit. */
  readonly artifact?: { readonly sha256: string; readonly bytes: Uint8Array };
  readonly params?: JsonObject;
  readonly idempotency?: { readonly key: string; readonly bodySha256: string };
}

/** Where a bot's log is read from; given to the engine as a function. */
export interface EnginePorts extends Omit<EngineContext, 'requestLogs' | 'newId'> {
  /** The end of a bot's log as text; rejects with ProblemError. */
  readonly readLogText: (bot: BotRecord, lines: number, signal: AbortSignal) => Promise<string>;
}

const dayMs = 24 * 60 * 60 * 1000;
const mutatingActions: readonly Action[] = ['start', 'update', 'restart', 'stop', 'delete'];
const deployingActions: readonly Action[] = ['start', 'update', 'restart'];

/** Ids that ascend also within one millisecond. */
function ascendingIds(wallMs: () => number): () => string {
  let last = '';
  return () => {
    let id = ulid(wallMs());
    // Ids order jobs in the queue of a bot. Two of one millisecond, or of a clock that jumped back, must still ascend.
    while (id <= last) id = increment(last);
    last = id;
    return id;
  };
}

const crockford = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

/** The next id in order. */
function increment(id: string): string {
  const digits = [...id];
  for (let index = digits.length - 1; index >= 0; index--) {
    const value = crockford.indexOf(digits[index] ?? '0');
    if (value < crockford.length - 1) {
      digits[index] = crockford[value + 1] ?? '0';
      return digits.join('');
    }
    digits[index] = '0';
  }
  throw new Error('ids are used up');
}

export class Engine {
  readonly #context: EngineContext;
  readonly #readLogText: EnginePorts['readLogText'];
  readonly #stopping = new AbortController();
  #cancelTimer: (() => void) | undefined;

  constructor(ports: EnginePorts) {
    this.#readLogText = ports.readLogText;
    this.#context = {
      ...ports,
      newId: ascendingIds(() => ports.clock.wallMs()),
      requestLogs: (job) => {
        void this.#answerLogs(job);
      },
    };
  }

  /** Takes up what an earlier run left: deadlines that passed meanwhile, old keys. */
  async start(): Promise<void> {
    await this.#change(({ tx, now }) => {
      tx.idempotency.removeOlderThan(now - dayMs);
      tx.outbox.removeOlderThan(now - 7 * dayMs);
      tx.artifacts.discardUnfinished();
      return undefined;
    });
    await this.#change((change) => {
      // A reading was waiting for an answer that died with the process.
      for (const job of change.tx.jobs.withStatus('running')) if (!job.mutating) this.#context.requestLogs(job);
    });
    await this.#expire();
  }

  stop(): void {
    this.#stopping.abort();
    this.#cancelTimer?.();
  }

  get #store() {
    return this.#context.store;
  }

  async #change<T>(work: (change: Change) => T): Promise<T> {
    const effects: (() => void)[] = [];
    const { clock, published, logger } = this.#context;
    const value = await this.#store.write((tx) => {
      // A write may be undone; its effects must not outlive it.
      effects.length = 0;
      return work(createChange(tx, clock.wallMs(), published, effects));
    });
    for (const effect of effects) {
      try {
        effect();
      } catch (error) {
        // What was decided is on disk; reconciliation repeats what a failed effect would have done.
        logger.error({ err: error }, 'an effect failed after its commit');
      }
    }
    this.#armTimer();
    return value;
  }

  /** Accepts a job, or returns the one that the same Idempotency-Key made before. Throws ProblemError. */
  createJob(request: NewJob): Promise<JobRecord> {
    return this.#change((change) => {
      const repeated = this.#repeated(change.tx, request);
      return repeated ?? this.#accept(change, request);
    });
  }

  #repeated(tx: Tables, { userId, idempotency }: NewJob): JobRecord | undefined {
    if (idempotency === undefined) return undefined;
    const found = tx.idempotency.get(userId, idempotency.key);
    if (found === undefined) return undefined;
    if (found.bodySha256 !== idempotency.bodySha256) {
      refuse('IDEMPOTENCY_CONFLICT', 'This Idempotency-Key was used before with another request.');
    }
    return tx.jobs.get(found.jobId);
  }

  #accept(change: Change, request: NewJob): JobRecord {
    const { settings, sealKey, newId } = this.#context;
    const { userId, botId, action, spec } = request;
    const key = { userId, botId };
    const existing = botId === '' ? undefined : change.tx.bots.get(key);
    const alive = existing !== undefined && existing.desired !== 'removed';
    if (botId !== '' && action !== 'start' && action !== 'status' && !alive) {
      refuse('BOT_NOT_FOUND', `There is no bot named ${botId}.`);
    }
    if (action === 'restart' && existing?.specSealed === null) {
      refuse('BOT_NOT_FOUND', `The bot ${botId} has never been started successfully.`, {
        hint: `Start it: avtomatika-bot start ${botId} --simple bot.py`,
      });
    }
    if (deployingActions.includes(action)) {
      const quota = checkQuota(activeBots(change.tx, userId), botId, settings.maxBotsPerUser);
      if (!quota.ok) throw new ProblemError(quota.problem);
    }
    if (request.artifact !== undefined) storeArtifact(change, userId, newId(), request.artifact);
    if (spec !== undefined && !change.tx.artifacts.isOwnedBy(userId, spec.artifactSha256)) {
      refuse('ARTIFACT_NOT_FOUND', 'There is no artifact with that sha256.');
    }
    const jobId = newId();
    const mutating = mutatingActions.includes(action);
    if (existing === undefined && spec !== undefined) change.putBot(this.#newBot(key, spec.mode, change.now));
    const deadlineMs = deployingActions.includes(action) ? settings.deploymentDeadlineMs : settings.otherDeadlineMs;
    const job = change.putJob({
      jobId,
      userId,
      blueprint: request.blueprint,
      action,
      botId,
      mutating,
      state: this.#context.blueprints.get(request.blueprint)?.initialState ?? 'init',
      status: 'pending',
      reason: '',
      params: request.params ?? {},
      specSealed: spec === undefined ? null : sealSpec(sealKey, key, spec.spec),
      result: null,
      error: null,
      taskId: null,
      createdAt: change.now,
      updatedAt: change.now,
      deadlineAt: change.now + deadlineMs,
    });
    change.tx.jobs.addStep(jobId, job.state, change.now);
    if (request.idempotency !== undefined) {
      change.tx.idempotency.put(userId, request.idempotency.key, request.idempotency.bodySha256, jobId, change.now);
    }
    this.#begin(change, job);
    return job;
  }

  #newBot(key: { userId: string; botId: string }, mode: string, now: number): BotRecord {
    const { settings } = this.#context;
    return {
      ...key,
      mode,
      desired: 'stopped',
      generation: 0,
      revision: 0,
      epoch: 0,
      workerId: null,
      memoryBytes: settings.defaultMemoryBytes,
      cpuMillis: settings.defaultCpuMillis,
      specSealed: null,
      undo: null,
      state: 'pending',
      observed: {},
      observedAt: null,
      eventSeq: 0,
      createdAt: now,
      updatedAt: now,
    };
  }

  #begin(change: Change, job: JobRecord): void {
    if (!job.mutating) {
      advance(this.#context, change, job, { kind: 'begin' });
      return;
    }
    if (job.action === 'stop' || job.action === 'delete') {
      const reason = problem('CANCELLED', `A later ${job.action} of the bot ended this job.`);
      // Newest first, so that none of them gets its turn when the one before it ends.
      for (const other of change.tx.jobs.openOfBot(job).toReversed()) {
        if (other.jobId !== job.jobId && other.action !== job.action) {
          advance(this.#context, change, other, { kind: 'aborted', problem: reason });
        }
      }
    }
    beginNext(this.#context, change, job);
    const now = change.tx.jobs.get(job.jobId);
    if (now?.status === 'pending') {
      change.putJob({ ...now, reason: 'waiting for an earlier job of the same bot' });
    }
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
      for (const report of reports) applyObservation(change, workerId, report);
    });
  }

  /** A task has arrived at its worker. */
  taskAccepted(workerId: string, taskId: string): Promise<void> {
    return this.#change((change) => {
      const task = change.tx.tasks.get(taskId);
      if (task?.workerId !== workerId || task.status !== 'open') return;
      change.tx.tasks.put({ ...task, status: 'accepted', acceptedAt: change.now });
    });
  }

  /** A task goes on; people who watch the job see the line. */
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

  /** Tries again to place what waits for a worker: one has joined, become ready, or has room again. */
  placeWaiting(): Promise<void> {
    return this.#change((change) => {
      for (const job of change.tx.jobs.withStatus('waiting_for_worker')) {
        const bot = change.tx.bots.get(job);
        if (bot !== undefined) place(this.#context, change, job, bot);
      }
    });
  }

  async #answerLogs(job: JobRecord): Promise<void> {
    const lines = Number(job.params['lines'] ?? 100);
    const left = Math.max(1, job.deadlineAt - this.#context.clock.wallMs());
    const signal = AbortSignal.any([this.#stopping.signal, AbortSignal.timeout(left)]);
    const bot = this.#store.read.bots.get(job);
    let event: Parameters<typeof advance>[3];
    try {
      if (bot === undefined) refuse('BOT_NOT_FOUND', `There is no bot named ${job.botId}.`);
      const text = await this.#readLogText(bot, lines, signal);
      event = { kind: 'answered', result: logsResult(this.#context, job, text) };
    } catch (error) {
      if (this.#stopping.signal.aborted) return;
      if (!(error instanceof ProblemError)) this.#context.logger.warn({ err: error }, 'reading a log failed');
      event = { kind: 'aborted', problem: readFailure(error) };
    }
    await this.#advanceById(job.jobId, event);
  }

  #advanceById(jobId: string, event: Parameters<typeof advance>[3]): Promise<void> {
    return this.#change((change) => {
      const job = change.tx.jobs.get(jobId);
      if (job !== undefined) advance(this.#context, change, job, event);
    });
  }

  /** One timer for all deadlines: set for the next one after each change. */
  #armTimer(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    if (this.#stopping.signal.aborted) return;
    const next = this.#store.read.jobs.nextDeadline();
    if (next === undefined) return;
    this.#cancelTimer = this.#context.clock.after(next - this.#context.clock.wallMs(), () => {
      this.#expire().catch((error: unknown) => {
        this.#context.logger.error({ err: error }, 'ending overdue jobs failed');
      });
    });
  }

  #expire(): Promise<void> {
    return this.#change((change) => {
      for (const job of change.tx.jobs.overdue(change.now)) {
        advance(this.#context, change, job, { kind: 'aborted', problem: deadlineProblem(job) });
      }
    });
  }
}

/** Chunks are read back one by one; see ArtifactTable. */
export const artifactChunkBytes = 256 * 1024;

function storeArtifact(
  { tx, now }: Change,
  userId: string,
  uploadId: string,
  { sha256, bytes }: { readonly sha256: string; readonly bytes: Uint8Array },
): void {
  tx.artifacts.own(userId, sha256, now);
  if (tx.artifacts.get(sha256) !== undefined) return;
  for (let n = 0; n * artifactChunkBytes < bytes.length; n++) {
    tx.artifacts.addChunk(uploadId, n, bytes.subarray(n * artifactChunkBytes, (n + 1) * artifactChunkBytes));
  }
  tx.artifacts.finish(uploadId, sha256, bytes.length, now);
}

const jobNotFound = () => new ProblemError(problem('JOB_NOT_FOUND', 'There is no such job.'));

/** Why a job could not end in time, with what is true of its bot now. */
function deadlineProblem(job: JobRecord): Problem {
  const seconds = Math.round((job.deadlineAt - job.createdAt) / 1000);
  const details = { job_id: job.jobId, waited_seconds: seconds };
  const deploying = job.action === 'start' || job.action === 'update' || job.action === 'restart';
  if (job.status === 'waiting_for_worker' && deploying) {
    return problem('NO_WORKER', `No worker could take the bot within ${seconds} s: ${job.reason}.`, { details });
  }
  if (job.status === 'waiting_for_worker') {
    return problem('DEADLINE_EXCEEDED', `The worker of the bot did not answer within ${seconds} s: ${job.reason}.`, {
      details,
      hint: 'The bot will be stopped as soon as its worker is back.',
    });
  }
  return problem('DEADLINE_EXCEEDED', `The job did not end within ${seconds} s.`, { details });
}
