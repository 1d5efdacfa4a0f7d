/**
 * The store of truth, behind one interface.
 *
 * Invariants:
 * 1. `write` returns only after its commit is on disk (fsync); what it threw left nothing behind.
 * 2. All writes of one turn of the event loop share one commit, and still fail one by one.
 * 3. `work` is synchronous: it decides and writes without another writer in between, so a count and an insert that
 *    belong together cannot race.
 * 4. Reads see the last commit.
 */
import type { BotKey } from '#common/ids.ts';
import type { BotRecord, EventRecord, JobRecord, TaskRecord, TokenRecord, WorkerRecord } from '../core/records.ts';

export interface BotTable {
  get(key: BotKey): BotRecord | undefined;
  /** Of one user, not deleted, by bot id. */
  ofUser(userId: string): readonly BotRecord[];
  /** Placed on one worker, whatever is desired of them. */
  ofWorker(workerId: string): readonly BotRecord[];
  /** Desired running, on any worker: what placement has to reckon with. */
  reserved(): readonly { readonly workerId: string; readonly memoryBytes: number; readonly cpuMillis: number }[];
  put(bot: BotRecord): void;
  remove(key: BotKey): void;
}

export interface JobTable {
  get(jobId: string): JobRecord | undefined;
  put(job: JobRecord): void;
  addStep(jobId: string, state: string, at: number): void;
  steps(jobId: string): readonly { readonly state: string; readonly at: number }[];
  /** Open mutating jobs of one bot, oldest first. */
  openOfBot(key: BotKey): readonly JobRecord[];
  /** Ids of a user's bots that an open start job will make run. */
  startingBots(userId: string): readonly string[];
  /** Open jobs with the given status, oldest first. */
  withStatus(status: JobRecord['status']): readonly JobRecord[];
  /** Open jobs whose deadline has passed. */
  overdue(now: number): readonly JobRecord[];
  /** The next deadline of any open job. */
  nextDeadline(): number | undefined;
}

export interface TaskTable {
  get(taskId: string): TaskRecord | undefined;
  /** The oldest task of one of the types that no worker has. */
  oldestOpen(types: readonly string[]): TaskRecord | undefined;
  put(task: TaskRecord): void;
}

export interface IdempotencyTable {
  get(userId: string, key: string): { readonly bodySha256: string; readonly jobId: string } | undefined;
  put(userId: string, key: string, bodySha256: string, jobId: string, createdAt: number): void;
  removeOlderThan(createdAt: number): void;
}

export interface OutboxTable {
  /** Adds an event and returns it with its numbers. */
  add(event: Omit<EventRecord, 'seq'>): EventRecord;
  /** Events after `seq`, oldest first, at most `limit`. */
  after(seq: number, limit: number): readonly EventRecord[];
  removeOlderThan(at: number): void;
}

export interface WorkerTable {
  get(workerId: string): WorkerRecord | undefined;
  all(): readonly WorkerRecord[];
  put(worker: WorkerRecord): void;
}

export interface ArtifactTable {
  addChunk(uploadId: string, n: number, bytes: Uint8Array): void;
  /** Makes the chunks of an upload an artifact, or drops them if the same bytes are there already. */
  finish(uploadId: string, sha256: string, sizeBytes: number, createdAt: number): void;
  discardUpload(uploadId: string): void;
  /** Drops chunks of uploads that never finished. */
  discardUnfinished(): void;
  own(userId: string, sha256: string, createdAt: number): void;
  isOwnedBy(userId: string, sha256: string): boolean;
  get(sha256: string): { readonly uploadId: string; readonly sizeBytes: number } | undefined;
  chunk(uploadId: string, n: number): Uint8Array | undefined;
}

export interface TokenTable {
  all(): readonly TokenRecord[];
  put(token: TokenRecord): void;
  remove(tokenSha256: string): void;
}

export interface TelegramTokenTable {
  owner(tokenKey: string): BotKey | undefined;
  ofBot(bot: BotKey): readonly string[];
  put(tokenKey: string, bot: BotKey): void;
  remove(tokenKey: string): void;
}

export interface Tables {
  readonly bots: BotTable;
  readonly jobs: JobTable;
  readonly tasks: TaskTable;
  readonly idempotency: IdempotencyTable;
  readonly outbox: OutboxTable;
  readonly workers: WorkerTable;
  readonly artifacts: ArtifactTable;
  readonly tokens: TokenTable;
  readonly telegramTokens: TelegramTokenTable;
}

export interface Store {
  /** For reading outside of a write. */
  readonly read: Tables;
  /** Runs `work` in a transaction. A throw undoes it and rejects; a full disk rejects with STORAGE_FULL. */
  write<T>(work: (tx: Tables) => T): Promise<T>;
  /** A value that is made once and kept, such as the store's own id. */
  meta(key: string, make: () => string): Promise<string>;
  /** Commits what is queued and closes. */
  close(): Promise<void>;
}
