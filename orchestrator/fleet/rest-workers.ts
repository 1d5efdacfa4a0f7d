/** All workers that speak REST: registration, long polls and results, on top of the fleet and the engine. */
import { ulid } from 'ulid';
import { type Clock, sleep } from '#common/clock.ts';
import { workerIdPattern } from '#common/ids.ts';
import { problem, refuse } from '#common/problem.ts';
import { allCapabilities } from '../core/placement-needs.ts';
import type { Engine } from '../engine/engine.ts';
import type { Store } from '../store/store.ts';
import type { Fleet, SessionFacts } from './fleet.ts';
import { type ParamsOf, type RestResult, type RestTask, RestWorker } from './rest-worker.ts';

export interface Registration {
  readonly workerId: string;
  readonly supportedTasks: readonly string[];
}

export interface RestWorkersDeps {
  readonly store: Store;
  readonly fleet: Fleet;
  readonly engine: Engine;
  readonly clock: Clock;
  readonly paramsOf: ParamsOf;
}

interface Member {
  readonly facts: SessionFacts;
  readonly worker: RestWorker;
}

// A REST worker is only heard of when it asks. One that has not asked for this long has no session any more.
export const restWorkerTtlMs = 120_000;
const maxMembers = 1_000;
// It waits up to 30 s for a task without saying anything.
const restPatienceMs = 35_000;
// Such a worker tells no capacity; it does not ask for what it cannot do.
const assumedMemoryBytes = 2 ** 40;
const assumedCpuMillis = 1_000_000;

export class RestWorkers {
  readonly #deps: RestWorkersDeps;
  readonly #members = new Map<string, Member>();
  readonly #lastSeen = new Map<string, number>();
  readonly #waiting = new Set<() => void>();

  constructor(deps: RestWorkersDeps) {
    this.#deps = deps;
  }

  /** Makes the worker a member of the fleet; registering again begins a new session. */
  async register({ workerId, supportedTasks }: Registration): Promise<void> {
    if (!workerIdPattern.test(workerId)) refuse('INVALID_WORKER', 'The worker id is not valid.');
    if (this.#deps.store.read.workers.access(workerId) !== undefined) {
      refuse('PERMISSION_DENIED', `The id ${workerId} is that of a worker with a credential of its own.`, {
        hint: 'Register under another id.',
      });
    }
    this.#expire();
    if (this.#members.size >= maxMembers && !this.#members.has(workerId)) {
      refuse('UNAVAILABLE', 'There are too many workers.');
    }
    const jobOf = (taskId: string) => this.#deps.store.read.tasks.get(taskId)?.jobId;
    const worker = new RestWorker(supportedTasks, this.#deps.paramsOf, jobOf);
    const facts: SessionFacts = {
      workerId,
      sessionId: ulid(),
      // Registering again is the same worker's way to begin anew: it is never fenced.
      bootId: 'rest',
      capabilities: allCapabilities,
      labels: {},
      patienceMs: restPatienceMs,
      runtime: 'rest',
      memoryBytes: assumedMemoryBytes,
      cpuMillis: assumedCpuMillis,
      queue: worker.queue,
    };
    this.#members.set(workerId, { facts, worker });
    this.#seen(workerId);
    await this.#remember(facts);
    const runsBots = supportedTasks.includes('start_bot');
    this.#deps.fleet.join(facts, runsBots, 'it does not run bots');
    // Ends with an error when a newer session takes its place: then there is nothing left to do here.
    void worker.run().catch(() => undefined);
    if (runsBots) await this.#deps.engine.placeWaiting();
  }

  /** Among the workers that an operator sees. */
  async #remember({ workerId, runtime, memoryBytes, cpuMillis, labels, capabilities }: SessionFacts): Promise<void> {
    const now = this.#deps.clock.wallMs();
    await this.#deps.store.write((tx) => {
      const firstSeenAt = tx.workers.get(workerId)?.firstSeenAt ?? now;
      const none = { bootId: '', engineVersion: '', version: '' };
      const facts = { workerId, runtime, memoryBytes, cpuMillis, labels, capabilities };
      tx.workers.put({ ...none, ...facts, firstSeenAt, lastSeenAt: now });
    });
  }

  heartbeat(workerId: string): void {
    this.#member(workerId);
  }

  /** The next task, waiting up to `waitMs` for one. */
  async nextTask(workerId: string, waitMs: number, signal: AbortSignal): Promise<RestTask | undefined> {
    const end = this.#deps.clock.monotonicMs() + waitMs;
    for (;;) {
      const { worker } = this.#member(workerId);
      const bell = Promise.withResolvers<void>();
      const stopBell = worker.onTask(bell.resolve);
      this.#waiting.add(bell.resolve);
      try {
        const task = (await worker.next()) ?? (await this.#freeTask(workerId, worker));
        if (task !== undefined) return task;
        const left = end - this.#deps.clock.monotonicMs();
        if (left <= 0 || signal.aborted) return undefined;
        const timer = new AbortController();
        const ended = AbortSignal.any([signal, timer.signal]);
        const over = sleep(this.#deps.clock, left, ended).catch(() => undefined);
        await Promise.race([bell.promise, over]);
        timer.abort();
      } finally {
        stopBell();
        this.#waiting.delete(bell.resolve);
      }
    }
  }

  async #freeTask(workerId: string, worker: RestWorker): Promise<RestTask | undefined> {
    const types = worker.supportedTasks.filter((type) => type !== 'start_bot' && type !== 'stop_bot');
    if (types.length === 0) return undefined;
    const task = await this.#deps.engine.takeTask(workerId, types);
    return task && { task_id: task.taskId, job_id: task.jobId, type: task.type, params: task.params };
  }

  /** A task that any worker may take has been made: whoever waits looks again. */
  ring(): void {
    for (const wake of this.#waiting) wake();
  }

  /** Takes a result. A task that is not this worker's, or has ended, is PERMISSION_DENIED or ignored. */
  async result(workerId: string, taskId: string, result: RestResult): Promise<void> {
    const { worker } = this.#member(workerId);
    const report = worker.toTaskResult(taskId, result, this.#deps.clock.wallMs());
    if (report !== undefined) {
      await this.#deps.engine.taskEnded(workerId, report);
      return;
    }
    const failure = problem('CONTAINER_ERROR', `${result.error.code}: ${result.error.message}`.slice(0, 500));
    const outcome =
      result.status === 'success'
        ? { kind: 'success' as const, data: result.data }
        : { kind: 'failure' as const, problem: failure };
    if (!(await this.#deps.engine.freeTaskEnded(workerId, taskId, outcome))) {
      refuse('PERMISSION_DENIED', 'This worker has no such task.', {
        hint: 'Report only tasks that this worker was handed.',
      });
    }
  }

  #member(workerId: string): Member {
    this.#expire();
    const member = this.#members.get(workerId);
    if (member === undefined || !this.#deps.fleet.isCurrent(member.facts)) {
      refuse('WORKER_NOT_FOUND', 'There is no registered worker of that id.', {
        hint: 'Register first (again, after the orchestrator was restarted): POST /workers/register',
      });
    }
    this.#seen(workerId);
    this.#deps.fleet.heard(member.facts);
    return member;
  }

  #seen(workerId: string): void {
    this.#lastSeen.set(workerId, this.#deps.clock.monotonicMs());
  }

  #expire(): void {
    const now = this.#deps.clock.monotonicMs();
    for (const [workerId, seen] of this.#lastSeen) {
      if (now - seen < restWorkerTtlMs) continue;
      const member = this.#members.get(workerId);
      if (member !== undefined) {
        member.worker.queue.end();
        this.#deps.fleet.leave(member.facts);
      }
      this.#members.delete(workerId);
      this.#lastSeen.delete(workerId);
    }
  }
}
