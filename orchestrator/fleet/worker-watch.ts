/**
 * Checks once a second how each worker is, and publishes what has changed since it was last published: ready or not, silent,
 * cordoned. Silence is not an event, so nobody else could report it.
 */
import { repeat } from '#common/background.ts';
import type { Clock } from '#common/clock.ts';
import type { Logger } from '#common/log.ts';
import type { WorkerRecord, WorkerStatus } from '../core/records.ts';
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

/** A worker as the store has it. */
interface KnownWorker {
  readonly record: WorkerRecord;
  readonly cordoned: boolean;
}

const lookMs = 1_000;

export class WorkerWatch {
  readonly #deps: WorkerWatchDeps;
  /** What was published last, by worker. */
  readonly #told = new Map<string, WorkerStatus>();
  /** Those whose silence the engine knows of. */
  readonly #silent = new Set<string>();
  #cancel: () => void = () => undefined;

  private constructor(deps: WorkerWatchDeps) {
    this.#deps = deps;
  }

  static async open(deps: WorkerWatchDeps): Promise<WorkerWatch> {
    const watch = new WorkerWatch(deps);
    // A restart of the orchestrator does not change a worker.
    for (const { body } of await deps.store.events.latestOfWorkers()) {
      if (body.kind === 'worker') watch.#told.set(body.worker.workerId, body.worker);
    }
    return watch;
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
  statuses(): Promise<readonly WorkerStatus[]> {
    return this.#deps.store.look([], ({ workers }) =>
      [...this.#told.values()]
        .filter(({ workerId }) => !workers.isForgotten(workerId))
        .sort((a, b) => (a.workerId < b.workerId ? -1 : 1)),
    );
  }

  async look(): Promise<void> {
    const records = await this.#deps.store.look([], ({ workers }) =>
      workers.all().map((record) => ({ record, cordoned: workers.isCordoned(record.workerId) })),
    );
    await this.#noteSilence(records);
    const changed = this.#changed(records);
    if (changed.length === 0) return;
    try {
      await this.#deps.engine.publishWorkers(changed);
      for (const worker of changed) this.#told.set(worker.workerId, worker);
    } catch (error) {
      // The next look finds the same difference and tries again.
      this.#deps.logger.warn({ err: error }, 'publishing the state of workers failed');
    }
  }

  async #noteSilence(records: readonly KnownWorker[]): Promise<void> {
    const { fleet, engine, logger } = this.#deps;
    for (const { workerId } of records.map(({ record }) => record)) {
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

  /** Workers that are not as last published, as they are. One that has just gone may be back within seconds: until then it stays as last published. */
  #changed(known: readonly KnownWorker[]): readonly WorkerStatus[] {
    const { fleet } = this.#deps;
    const live = new Map(fleet.live().map((worker) => [worker.workerId, worker]));
    const records = new Map(known.map((worker) => [worker.record.workerId, worker]));
    const changed: WorkerStatus[] = [];
    for (const workerId of new Set([...records.keys(), ...live.keys(), ...this.#told.keys()])) {
      const told = this.#told.get(workerId);
      const condition = conditionOf(live.get(workerId), fleet.isSilent(workerId)) ?? told;
      if (condition === undefined) continue;
      const known = records.get(workerId);
      const status: WorkerStatus = {
        workerId,
        condition: condition.condition,
        reason: condition.reason,
        cordoned: known?.cordoned ?? false,
        runtime: fleet.runtimeOf(workerId),
        version: known?.record.version ?? '',
        engineVersion: known?.record.engineVersion ?? '',
      };
      if (!isSame(status, told)) changed.push(status);
    }
    return changed;
  }
}

function conditionOf(
  worker: LiveWorker | undefined,
  silent: boolean,
): Pick<WorkerStatus, 'condition' | 'reason'> | undefined {
  if (silent) return { condition: 'silent', reason: '' };
  if (worker === undefined) return undefined;
  return worker.ready ? { condition: 'ready', reason: '' } : { condition: 'not_ready', reason: worker.notReadyReason };
}

const fields = ['condition', 'reason', 'cordoned', 'runtime', 'version', 'engineVersion'] as const;

// Of each worker, each second.
const isSame = (a: WorkerStatus, b: WorkerStatus | undefined): boolean =>
  b !== undefined && fields.every((field) => a[field] === b[field]);
