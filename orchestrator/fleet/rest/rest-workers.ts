/**
 * All workers that speak REST: registration, long polls and results, on top of the fleet and the engine.
 *
 * 1. A registration outlives a restart of the orchestrator: it is among the workers in the store.
 * 2. Such a worker is only seen when it polls. One that has not polled for `restWorkerTtlMs` is taken to be gone, and what it
 *    had taken is handed to the next one.
 * 3. A task with a transient failure is handed out again after a pause, until the deadline of its job.
 */
import { ulid } from 'ulid';
import { inBackground } from '#common/background.ts';
import type { Clock } from '#common/clock.ts';
import { workerIdPattern } from '#common/ids.ts';
import type { Logger } from '#common/log.ts';
import { type Problem, problem, refuse } from '#common/problem.ts';
import { allCapabilities } from '../../core/placement-needs.ts';
import type { Engine } from '../../engine/engine.ts';
import type { Store } from '../../store/store.ts';
import { wantTask, wantWorker } from '../../store/want.ts';
import type { Fleet, SessionFacts } from '../fleet.ts';
import { type ParamsOf, type RestResult, type RestTask, RestWorker } from './rest-worker.ts';
import { TaskPauses } from './task-pauses.ts';
import { WaitingWorkers } from './waiting-workers.ts';

export interface Registration {
  readonly workerId: string;
  readonly supportedTasks: readonly string[];
}

export interface RestWorkersDeps {
  readonly store: Store;
  readonly fleet: Fleet;
  readonly engine: Engine;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly paramsOf: ParamsOf;
}

interface Member {
  readonly facts: SessionFacts;
  readonly worker: RestWorker;
}

const restWorkerTtlMs = 120_000;
const maxMembers = 1_000;
// It waits up to 30 s for a task without saying anything.
const restPatienceMs = 35_000;
// Such a worker reports no capacity; it does not ask for what it cannot do.
const assumedMemoryBytes = 2 ** 40;
const assumedCpuMillis = 1_000_000;
/** What the tasks that it can do are called among the capabilities of a worker. */
const taskPrefix = 'task.';
/** What the original's SDK says of a failure that may pass. */
const transientCode = 'TRANSIENT_ERROR';

/** Types of tasks about no bot. */
const freeTypesOf = ({ supportedTasks }: RestWorker): readonly string[] =>
  supportedTasks.filter((type) => type !== 'start_bot' && type !== 'stop_bot');

export class RestWorkers {
  readonly #deps: RestWorkersDeps;
  readonly #members = new Map<string, Member>();
  /** Registered before this process began, and not seen since: what each can do. */
  readonly #registered = new Map<string, readonly string[]>();
  readonly #lastSeen = new Map<string, number>();
  readonly #waiting = new WaitingWorkers();
  readonly #pauses: TaskPauses;
  #cancelExpiry: (() => void) | undefined;
  #stopped = false;

  constructor(deps: RestWorkersDeps) {
    this.#deps = deps;
    this.#pauses = new TaskPauses(deps.clock, () => this.#ring());
  }

  /** Takes up the registrations from before a restart: each worker is a member again once it is seen. */
  async start(): Promise<void> {
    const known = await this.#deps.store.look([], (tx) => tx.workers.all());
    for (const { workerId, runtime, capabilities } of known) {
      if (runtime !== 'rest') continue;
      const supportedTasks = capabilities.filter((name) => name.startsWith(taskPrefix));
      this.#registered.set(
        workerId,
        supportedTasks.map((name) => name.slice(taskPrefix.length)),
      );
      this.#seen(workerId);
    }
  }

  stop(): void {
    this.#stopped = true;
    this.#cancelExpiry?.();
    this.#pauses.stop();
  }

  /** Makes the worker a member of the fleet; registering again begins a new session, of a process that has nothing yet. */
  async register(registration: Registration): Promise<void> {
    const { workerId } = registration;
    if (!workerIdPattern.test(workerId)) refuse('INVALID_WORKER', 'The worker id is not valid.');
    const access = await this.#deps.store.look([], (tx) => tx.workers.access(workerId));
    if (access !== undefined) {
      refuse('PERMISSION_DENIED', `The id ${workerId} belongs to a worker with its own credential.`, {
        hint: 'Register under another id.',
      });
    }
    await this.#expire();
    if (this.#members.size >= maxMembers && !this.#members.has(workerId)) {
      refuse('UNAVAILABLE', 'There are too many workers.');
    }
    await this.#remember(registration);
    await this.#enter(registration, new Set());
    await this.#giveBackTasksOf(workerId, `worker ${workerId} registered again, and no longer has the task`);
  }

  /** `taken`: the tasks that it has already, from before a restart of the orchestrator. */
  async #enter({ workerId, supportedTasks }: Registration, taken: ReadonlySet<string>): Promise<Member> {
    const { store } = this.#deps;
    const jobOf = (taskId: string) => store.look([wantTask(taskId)], (tx) => tx.tasks.get(taskId)?.jobId);
    const worker = new RestWorker(supportedTasks, this.#deps.paramsOf, jobOf, (taskId) => taken.has(taskId));
    const facts: SessionFacts = {
      workerId,
      sessionId: ulid(),
      // Registering again is the same worker's way to start over: it is never fenced.
      bootId: 'rest',
      capabilities: allCapabilities,
      labels: {},
      patienceMs: restPatienceMs,
      runtime: 'rest',
      memoryBytes: assumedMemoryBytes,
      cpuMillis: assumedCpuMillis,
      queue: worker.queue,
      safety: undefined,
      told: undefined,
    };
    const member = { facts, worker };
    const before = this.#members.get(workerId);
    this.#registered.delete(workerId);
    this.#members.set(workerId, member);
    this.#seen(workerId);
    // It may take other types now.
    before?.worker.wake();
    const runsBots = supportedTasks.includes('start_bot');
    this.#deps.fleet.join(facts, runsBots, 'it does not run bots');
    // Ends with an error when a newer session takes its place: then there is nothing left to do here.
    inBackground(worker.run(), (error) => {
      this.#deps.logger.debug({ err: error, worker: workerId }, 'a REST worker gets no more tasks');
    });
    if (runsBots) await this.#deps.engine.placeWaiting();
    return member;
  }

  /** Among the workers that an operator sees, and for the time after a restart. */
  async #remember({ workerId, supportedTasks }: Registration): Promise<void> {
    const now = this.#deps.clock.wallMs();
    const capabilities = [...allCapabilities, ...supportedTasks.map((name) => `${taskPrefix}${name}`)];
    await this.#deps.store.change([wantWorker(workerId)], (tx) => {
      const firstSeenAt = tx.workers.get(workerId)?.firstSeenAt ?? now;
      const none = { bootId: '', engineVersion: '', version: '' };
      const size = { memoryBytes: assumedMemoryBytes, cpuMillis: assumedCpuMillis };
      tx.workers.put({
        workerId,
        runtime: 'rest',
        ...size,
        labels: {},
        capabilities,
        ...none,
        firstSeenAt,
        lastSeenAt: now,
      });
    });
  }

  /**
   * A sign of life. The original's SDK registers once, when it starts, and never again; what it says here is enough to register
   * it with an orchestrator that does not know it.
   */
  async heartbeat({ workerId, supportedTasks }: Registration): Promise<void> {
    await this.#expire();
    const isKnown = this.#members.has(workerId) || this.#registered.has(workerId);
    if (isKnown || supportedTasks.length === 0) await this.#member(workerId);
    else await this.register({ workerId, supportedTasks });
  }

  /** The next task, waiting up to `waitMs` for one. */
  async nextTask(workerId: string, waitMs: number, signal: AbortSignal): Promise<RestTask | undefined> {
    await this.#expire();
    const end = this.#deps.clock.monotonicMs() + waitMs;
    const waiting = this.#waiting.join();
    try {
      for (;;) {
        const { worker } = await this.#member(workerId);
        const stopBell = worker.onTask(() => waiting.bell.ring());
        try {
          this.#waiting.looks(waiting, freeTypesOf(worker));
          if (signal.aborted) return undefined;
          const task = await this.#take(workerId, worker);
          this.#waiting.looked(waiting, task?.type);
          if (task !== undefined && !signal.aborted) return task;
          if (task !== undefined) await this.#giveBack(workerId, worker, task.task_id);
          const left = end - this.#deps.clock.monotonicMs();
          if (left <= 0 || signal.aborted) return undefined;
          await waiting.bell.wait({ clock: this.#deps.clock, afterMs: left, signal });
        } finally {
          stopBell();
        }
      }
    } finally {
      this.#waiting.leave(waiting);
    }
  }

  async #take(workerId: string, worker: RestWorker): Promise<RestTask | undefined> {
    const task = await worker.next();
    if (task === undefined) return this.#freeTask(workerId, worker);
    await this.#deps.engine.taskAccepted(workerId, task.task_id);
    return task;
  }

  /** Who asked went away before the answer. */
  async #giveBack(workerId: string, worker: RestWorker, taskId: string): Promise<void> {
    worker.offerAgain(taskId);
    const reason = `worker ${workerId} disconnected before it received the task`;
    if (await this.#deps.engine.giveBackTask(workerId, taskId, reason)) this.#ring();
  }

  async #freeTask(workerId: string, worker: RestWorker): Promise<RestTask | undefined> {
    const types = freeTypesOf(worker);
    if (types.length === 0) return undefined;
    const task = await this.#deps.engine.takeTask(workerId, types, this.#pauses.waiting());
    return task && { task_id: task.taskId, job_id: task.jobId, type: task.type, params: task.params };
  }

  /** A task of this type, which any worker may take, was created. */
  offered(type: string): void {
    this.#waiting.offered(type);
  }

  /** There may be tasks again that any worker may take. */
  #ring(): void {
    this.#waiting.wakeAll();
  }

  /** Takes a result. A task that is not this worker's, or has ended, is PERMISSION_DENIED or ignored. */
  async result(workerId: string, taskId: string, result: RestResult): Promise<void> {
    await this.#expire();
    const { worker } = await this.#member(workerId);
    const failure = problem('CONTAINER_ERROR', `${result.error.code}: ${result.error.message}`.slice(0, 500));
    if (result.status === 'failure' && result.error.code === transientCode) {
      if (await this.#tryAgain(workerId, worker, taskId, result.error.message)) return;
    }
    this.#pauses.forget(taskId);
    await this.#end(workerId, worker, taskId, result, failure);
  }

  /** A result that cannot be read ends its task with the problem that says so: nothing else will come of it. */
  async unreadableResult(workerId: string, taskId: string, failure: Problem): Promise<void> {
    await this.#expire();
    const { worker } = await this.#member(workerId);
    const result = { status: 'failure', data: {}, error: { code: failure.code, message: failure.message } } as const;
    await this.#end(workerId, worker, taskId, result, failure);
  }

  async #end(
    workerId: string,
    worker: RestWorker,
    taskId: string,
    result: RestResult,
    failure: Problem,
  ): Promise<void> {
    const report = worker.toTaskResult(taskId, result, this.#deps.clock.wallMs());
    if (report !== undefined) {
      await this.#deps.engine.taskEnded(workerId, report);
      return;
    }
    const outcome =
      result.status === 'success'
        ? { kind: 'success' as const, data: result.data }
        : { kind: 'failure' as const, problem: failure };
    if (!(await this.#deps.engine.freeTaskEnded(workerId, taskId, outcome))) {
      refuse('PERMISSION_DENIED', 'This worker has no such task.', {
        hint: 'Report only tasks that were given to this worker.',
      });
    }
  }

  /** False when the task is not this worker's, or has ended. */
  async #tryAgain(workerId: string, worker: RestWorker, taskId: string, why: string): Promise<boolean> {
    const { engine } = this.#deps;
    const tries = this.#pauses.tries(taskId) + 1;
    const reason = `try ${tries + 1} follows; worker ${workerId} reported of the last one: ${why}`;
    if (worker.has(taskId)) {
      await engine.taskProgress(workerId, taskId, reason);
      this.#pauses.begin(taskId, () => worker.offerAgain(taskId));
      return true;
    }
    this.#pauses.begin(taskId);
    if (await engine.giveBackTask(workerId, taskId, reason)) return true;
    this.#pauses.forget(taskId);
    return false;
  }

  async #member(workerId: string): Promise<Member> {
    const supportedTasks = this.#registered.get(workerId);
    const member =
      supportedTasks === undefined ? this.#members.get(workerId) : await this.#enterAgain({ workerId, supportedTasks });
    if (member === undefined || !this.#deps.fleet.isCurrent(member.facts)) {
      refuse('WORKER_NOT_FOUND', 'There is no registered worker of that id.', {
        hint: 'Register first: POST /workers/register. A heartbeat that names supported_tasks registers too.',
      });
    }
    this.#seen(workerId);
    this.#deps.fleet.heard(member.facts);
    return member;
  }

  /** One that was registered before this process began. Of several of its requests at once, one makes it a member. */
  async #enterAgain(registration: Registration): Promise<Member | undefined> {
    const { workerId } = registration;
    const taken = await this.#deps.store.look([], (tx) => tx.tasks.takenBy(workerId).map(({ taskId }) => taskId));
    return this.#registered.has(workerId) ? this.#enter(registration, new Set(taken)) : this.#members.get(workerId);
  }

  #seen(workerId: string): void {
    this.#lastSeen.set(workerId, this.#deps.clock.monotonicMs());
    this.#armExpiry();
  }

  /** One timer at a time, for the worker that has been silent the longest. */
  #armExpiry(): void {
    if (this.#stopped || this.#cancelExpiry !== undefined || this.#lastSeen.size === 0) return;
    const left = Math.min(...this.#lastSeen.values()) + restWorkerTtlMs - this.#deps.clock.monotonicMs();
    this.#cancelExpiry = this.#deps.clock.after(left, () => {
      this.#cancelExpiry = undefined;
      this.#expire().catch((error: unknown) => {
        this.#deps.logger.error({ err: error }, 'tasks of a worker that is gone could not be reassigned');
      });
    });
  }

  async #expire(): Promise<void> {
    const now = this.#deps.clock.monotonicMs();
    const gone = [...this.#lastSeen].filter(([, seen]) => now - seen >= restWorkerTtlMs).map(([workerId]) => workerId);
    for (const workerId of gone) {
      const member = this.#members.get(workerId);
      if (member !== undefined) {
        member.worker.queue.end();
        this.#deps.fleet.leave(member.facts);
      }
      this.#members.delete(workerId);
      this.#registered.delete(workerId);
      this.#lastSeen.delete(workerId);
    }
    this.#armExpiry();
    for (const workerId of gone) {
      const seconds = restWorkerTtlMs / 1000;
      await this.#giveBackTasksOf(
        workerId,
        `worker ${workerId}, which had the task, was not heard from for ${seconds} s`,
      );
    }
  }

  async #giveBackTasksOf(workerId: string, reason: string): Promise<void> {
    if (await this.#deps.engine.giveBackTasksOf(workerId, reason)) this.#ring();
  }
}
