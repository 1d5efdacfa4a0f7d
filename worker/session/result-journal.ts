/** Results of tasks, on disk until the orchestrator has them: a task that ended is never reported as vanished. */

import { createHash } from 'node:crypto';
import { readdir, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { inBackground } from '#common/background.ts';
import type { Logger } from '#common/log.ts';
import { SerialQueue } from '#common/waiting/serial-queue.ts';
import { type TaskResult, TaskResultSchema } from '#gen/botrunner/v1/worker_service_pb.js';
import { plainFiles, type SmallFiles } from '../state/small-files.ts';

// Acknowledged results are still known for a while, for a command that comes again.
const rememberedMax = 256;

export class ResultJournal {
  readonly #dir: string;
  readonly #logger: Logger;
  readonly #pending: Map<string, TaskResult>;
  readonly #acknowledged = new Map<string, TaskResult>();
  /** Writes and removals of files go one after the other. */
  readonly #files = new SerialQueue();

  readonly #small: SmallFiles;

  private constructor(dir: string, logger: Logger, small: SmallFiles, pending: Map<string, TaskResult>) {
    this.#dir = dir;
    this.#logger = logger;
    this.#small = small;
    this.#pending = pending;
  }

  /** Reads what an earlier process left. A damaged file is set aside and logged. */
  static async open(dir: string, logger: Logger, small: SmallFiles = plainFiles): Promise<ResultJournal> {
    const pending = new Map<string, TaskResult>();
    for (const name of await readdir(dir)) {
      if (!name.endsWith('.result')) continue;
      const path = join(dir, name);
      try {
        const result = fromBinary(TaskResultSchema, await readFile(path));
        pending.set(result.taskId, result);
      } catch (error) {
        logger.warn({ err: error, path }, 'a stored result is damaged; it is set aside');
        await rename(path, `${path}.damaged`);
      }
    }
    return new ResultJournal(dir, logger, small, pending);
  }

  /** Ids of results that are not acknowledged, oldest first. */
  get pending(): readonly string[] {
    return [...this.#pending.keys()];
  }

  /** The result of a task that has ended, acknowledged or not. */
  get(taskId: string): TaskResult | undefined {
    return this.#pending.get(taskId) ?? this.#acknowledged.get(taskId);
  }

  /** Keeps a result. Resolves when it is on disk; a disk that is full costs only that, and is logged. */
  add(result: TaskResult): Promise<void> {
    this.#pending.set(result.taskId, result);
    return this.#onDisk(() => this.#small.write(this.#pathOf(result.taskId), toBinary(TaskResultSchema, result)));
  }

  acknowledge(taskId: string): void {
    const result = this.#pending.get(taskId);
    if (!result) return;
    this.#pending.delete(taskId);
    this.#acknowledged.set(taskId, result);
    const oldest = this.#acknowledged.keys().next().value;
    if (this.#acknowledged.size > rememberedMax && oldest !== undefined) this.#acknowledged.delete(oldest);
    // onDisk logs what fails.
    inBackground(
      this.#onDisk(() => this.#small.remove(this.#pathOf(taskId))),
      () => undefined,
    );
  }

  /** Waits for what is being written. */
  close(): Promise<void> {
    return this.#files.idle();
  }

  async #onDisk(work: () => Promise<void>): Promise<void> {
    try {
      await this.#files.run(work);
    } catch (error) {
      this.#logger.warn({ err: error }, 'the journal of results could not be written');
    }
  }

  // Ids come from outside and must not choose a path.
  #pathOf(taskId: string): string {
    return join(this.#dir, `${createHash('sha256').update(taskId).digest('hex').slice(0, 32)}.result`);
  }
}
