/**
 * Checks once a second how each worker is, and publishes what has changed since it was last published: ready or not, silent,
 * cordoned. Silence is not an event, so nobody else could report it.
 */
import { repeat } from '#common/background.ts';
import type { Clock } from '#common/clock.ts';
import type { Logger } from '#common/log.ts';
import type { WorkerStatus } from '../core/records.ts';
import type { LiveWorker } from '../engine/context.ts';
import type { Engine } from '../engine/engine.ts';
import type { Store } from '../store/store.ts';
import type { Fleet } from './fleet.ts';

export interface WorkerWatchDeps {
  readonly store: Store;
  readonly fleet: Fleet;
  readonly engine: Pick<Engine, 'publishWorkers' | 'workerSilent'>;
  readonly clock: Clock;
  readonly logger: Logger;
}

const lookMs = 1_000;

export class WorkerWatch {
  readonly #deps: WorkerWatchDeps;
  /** What was published last, by worker. */
  readonly #told = new Map<string, WorkerStatus>();
  /** Those whose silence the engine knows of. */
  readonly #silent = new Set<string>();
  #cancel: () => void = () => undefined;

  constructor(deps: WorkerWatchDeps) {
    this.#deps = deps;
    // A restart of the orchestrator does not change a worker.
    for (const event of deps.store.read.outbox.latestOfWorkers()) {
      if (event.body.kind === 'worker') this.#told.set(event.body.worker.workerId, event.body.worker);
    }
  }

  start(): void {
    const { clock, logger } = this.#deps;
    this.#cancel = repeat(
      clock,
      lookMs,
      () => this.look(),
      (error) => {
        logger.warn({ err: error }, 'checking the workers failed');
      },
    );
  }

  stop(): void {
    this.#cancel();
  }

  /** All workers as last published, by id. */
  statuses(): readonly WorkerStatus[] {
    const { workers } = this.#deps.store.read;
    return [...this.#told.values()]
      .filter(({ workerId }) => !workers.isForgotten(workerId))
      .sort((a, b) => (a.workerId < b.workerId ? -1 : 1));
  }

  async look(): Promise<void> {
    await this.#noteSilence();
    const changed = this.#seen().filter((worker) => !same(worker, this.#told.get(worker.workerId)));
    if (changed.length === 0) return;
    try {
      await this.#deps.engine.publishWorkers(changed);
      for (const worker of changed) this.#told.set(worker.workerId, worker);
    } catch (error) {
      // The next look finds the same difference and tries again.
      this.#deps.logger.warn({ err: error }, 'publishing the state of workers failed');
    }
  }

  async #noteSilence(): Promise<void> {
    const { store, fleet, engine, logger } = this.#deps;
    for (const { workerId } of store.read.workers.all()) {
      if (!fleet.isSilent(workerId)) this.#silent.delete(workerId);
      else if (!this.#silent.has(workerId)) {
        try {
          await engine.workerSilent(workerId);
          this.#silent.add(workerId);
        } catch (error) {
          logger.warn({ err: error, workerId }, 'pending decisions for a silent worker could not be made; will retry');
        }
      }
    }
  }

  /** Workers as they are. One that has just gone may be back within seconds: until then it stays as last published. */
  #seen(): readonly WorkerStatus[] {
    const { store, fleet } = this.#deps;
    const live = new Map(fleet.live().map((worker) => [worker.workerId, worker]));
    const records = new Map(store.read.workers.all().map((record) => [record.workerId, record]));
    const seen: WorkerStatus[] = [];
    for (const workerId of new Set([...records.keys(), ...live.keys(), ...this.#told.keys()])) {
      const told = this.#told.get(workerId);
      const condition = conditionOf(live.get(workerId), fleet.isSilent(workerId)) ?? told;
      if (condition === undefined) continue;
      seen.push({
        workerId,
        condition: condition.condition,
        reason: condition.reason,
        cordoned: store.read.workers.isCordoned(workerId),
        runtime: fleet.runtimeOf(workerId),
        version: records.get(workerId)?.version ?? '',
        engineVersion: records.get(workerId)?.engineVersion ?? '',
      });
    }
    return seen;
  }
}

function conditionOf(
  worker: LiveWorker | undefined,
  silent: boolean,
): Pick<WorkerStatus, 'condition' | 'reason'> | undefined {
  if (silent) return { condition: 'silent', reason: '' };
  if (worker === undefined) return undefined;
  return worker.ready
    ? { condition: 'ready', reason: '' }
    : { condition: 'not_ready', reason: worker.notReadyReason.slice(0, 500) };
}

const same = (a: WorkerStatus, b: WorkerStatus | undefined): boolean => JSON.stringify(a) === JSON.stringify(b);
