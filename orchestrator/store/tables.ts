/** The tables that works decide over, and how each may be looked up. Store and workspace: see store.ts. */
import type { AgeMark } from '#common/age-clock.ts';
import type { ClockMark } from '#common/clock-steps.ts';
import type { BotKey } from '#common/ids.ts';
import type { Opening } from '../core/history.ts';
import type {
  BotRecord,
  EventRecord,
  JobRecord,
  Leftover,
  SourceOwner,
  SourceUpload,
  TaskRecord,
  TokenRecord,
  WorkerAccess,
  WorkerRecord,
} from '../core/records.ts';

export interface BotTable {
  get(key: BotKey): BotRecord | undefined;
  /** One user's bots, not deleted, by bot id. */
  ofUser(userId: string): readonly BotRecord[];
  /** Placed on one worker, whatever is desired of them. */
  ofWorker(workerId: string): readonly BotRecord[];
  /** The bot whose decided stop or removal this task carries out. */
  withPendingTask(taskId: string): BotRecord | undefined;
  /** What those take on a worker that run or may yet run there (mayRun). */
  reservedOn(workerId: string): { readonly memoryBytes: number; readonly cpuMillis: number };
  /** Ids of a user's bots that count against the quota: those that may run, and those with an open start. */
  activeOf(userId: string): ReadonlyMap<string, unknown>;
  /** Ids of a user's bots that take space: those that are not deleted, and those whose data a worker may have. */
  keptOf(userId: string): ReadonlyMap<string, unknown>;
  /** Desired running, with a time to be stopped at that is not later. */
  aging(stopsAt: number): readonly BotRecord[];
  /** The next times at which bots are to be stopped, by whether their owners were warned. */
  nextAging(): { readonly unwarned: number | undefined; readonly warned: number | undefined };
  /** Sets those times again for a limit that may have changed; a warning that was given stands unless there is more time now. */
  setMaxRuntime(maxRuntimeMs: number): void;
  /** The wall clock was set: times that lie ahead move with it, by `stepMs`. */
  followClock(stepMs: number): void;
  /** No bot may run longer from now on than if it had been started now. */
  boundAges(now: number): void;
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
  /** About how much the open jobs of a user take in the store. */
  openBytesOf(userId: string): number;
  /** Open jobs with the given status, oldest first. */
  withStatus(status: JobRecord['status']): readonly JobRecord[];
  /** Whether any open job waits for a worker. */
  anyWaits(): boolean;
  /** Open jobs whose deadline has passed. */
  overdue(now: number): readonly JobRecord[];
  /** The next deadline of any open job. */
  nextDeadline(): number | undefined;
  /** The wall clock was set: the times of open jobs move with it, by `stepMs`, so that what is left of them stays. */
  followClock(stepMs: number): void;
  /** No open job may last longer from now on than it was given when it was made. */
  boundDeadlines(now: number): void;
}

export interface TaskTable {
  get(taskId: string): TaskRecord | undefined;
  /** The oldest task of one of the types that no worker has, but for those in `except`. */
  oldestOpen(types: readonly string[], except?: readonly string[]): TaskRecord | undefined;
  /** Tasks of open jobs that the worker has taken. */
  takenBy(workerId: string): readonly TaskRecord[];
  put(task: TaskRecord): void;
}

export interface IdempotencyTable {
  get(userId: string, key: string): { readonly bodySha256: string; readonly jobId: string } | undefined;
  put(userId: string, key: string, bodySha256: string, jobId: string, createdAt: number): void;
}

/** What the program remembers of the clock between its runs; see common/clock-steps.ts and common/age-clock.ts. */
export interface ClockTable {
  mark(): ClockMark | undefined;
  setMark(mark: ClockMark): void;
  ageMark(): AgeMark | undefined;
  setAgeMark(mark: AgeMark): void;
}

export interface OutboxTable {
  /** Adds an event and returns it with its numbers. */
  add(event: Omit<EventRecord, 'seq'>): EventRecord;
  /** The newest event of one bot. */
  latestOfBot(bot: BotKey): EventRecord | undefined;
  /** The number of the newest kept event of the bot; 0 when none is. */
  lastBotSeq(bot: BotKey): number;
  /** The seq of the newest event there ever was; 0 for none. */
  lastSeq(): number;
  /** How far a reader that remembers its place has got; undefined before its first. */
  place(reader: string): number | undefined;
  setPlace(reader: string, seq: number): void;
}

export interface WorkerTable {
  /** Also one that is forgotten. */
  get(workerId: string): WorkerRecord | undefined;
  /** Those that are not forgotten. */
  all(): readonly WorkerRecord[];
  /** Leaves the cordon as it is. A worker that was forgotten is so no longer. */
  put(worker: WorkerRecord): void;
  seen(workerId: string, at: number): void;
  isForgotten(workerId: string): boolean;
  /** It is not listed any more, and not cordoned. */
  forget(workerId: string): void;
  isCordoned(workerId: string): boolean;
  /** False when there is no such worker. */
  setCordoned(workerId: string, cordoned: boolean): boolean;
  /** Who may speak as the worker; undefined for an id that never joined. */
  access(workerId: string): WorkerAccess | undefined;
  /** Whose credential has this sha256. */
  accessWith(credentialSha256: string): WorkerAccess | undefined;
  allAccess(): readonly WorkerAccess[];
  putAccess(access: WorkerAccess): void;
}

export interface LeftoverTable {
  ofWorker(workerId: string): readonly Leftover[];
  ofBot(bot: BotKey): readonly Leftover[];
  withTask(taskId: string): Leftover | undefined;
  /** Workers that may run a copy of some bot, or that have anything of this one. */
  workersWith(bot: BotKey): ReadonlySet<string>;
  put(leftover: Leftover): void;
  remove(leftover: Pick<Leftover, 'workerId' | 'userId' | 'botId'>): void;
}

/** Workers that may have a data volume of a bot. */
export interface BotVolumeTable {
  workersOf(bot: BotKey): readonly string[];
  put(bot: BotKey, workerId: string): void;
  remove(bot: BotKey, workerId: string): void;
  removeWorker(workerId: string): void;
}

/** What workers should do, as far as it changes: not kept, and counted from the start of the process. */
export interface DesireTable {
  /** Rises with every change of what the worker should do. */
  version(workerId: string): number;
  /**
   * The bots of which something may have changed for the worker after that version; undefined when that is not known any more, as
   * once a later version was asked for.
   */
  since(workerId: string, version: number): readonly BotKey[] | undefined;
}

export interface ArtifactTable {
  /** `sealed`: as sealChunk makes it. */
  addChunk(uploadId: string, n: number, sealed: Uint8Array): void;
  /** Adds a chunk of an upload that is under way, which counts for its user. `sealed`: as sealChunk makes it. */
  growUpload(upload: Pick<SourceUpload, 'uploadId' | 'userId' | 'createdAt'>, n: number, sealed: Uint8Array): void;
  /** Those that are under way, and those that an earlier run has left. */
  uploadIds(): readonly string[];
  /**
   * Makes the chunks of an upload an artifact. False when the same bytes are there already: then nobody needs its chunks, and the caller
   * removes them. `sizeBytes`: before sealing.
   */
  finish(uploadId: string, sha256: string, sizeBytes: number, createdAt: number): boolean;
  /** Keeps what a search of it has found. */
  setFindings(sha256: string, findingsSealed: Uint8Array): void;
  /** An upload has ended without a source: the caller removes its chunks. */
  discardUpload(uploadId: string): void;
  /** The user has uploaded the artifact, which is there. */
  own(userId: string, sha256: string, createdAt: number): void;
  /** The user no longer has it. When nobody has, it is removed but its chunks, and the upload that they are of is returned. */
  disown(userId: string, sha256: string): string | undefined;
  owner(userId: string, sha256: string): SourceOwner | undefined;
  isOwnedBy(userId: string, sha256: string): boolean;
  get(sha256: string): Artifact | undefined;
  /** Something of the user needs it again, or may. */
  touch(userId: string, sha256: string): void;
  setUnneeded(userId: string, sha256: string, at: number): void;
  heldBy(userId: string): Holdings;
}

/** What a user has in sources. Uploads that are under way come on top. */
export interface Holdings {
  readonly sources: number;
  readonly sourceBytes: number;
  readonly uploadBytes: number;
}

/** Its bytes are chunks of its upload: see ChunkReader. */
export interface Artifact {
  readonly uploadId: string;
  readonly sizeBytes: number;
  /** What a search has found in it; null for one that was stored by a release that did not keep that. */
  readonly findingsSealed: Uint8Array | null;
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
  /** Whose tokens are kept under keys of an older form, those that do not begin with this. */
  withOtherKeys(prefix: string): readonly BotKey[];
}

export interface SourceTokenTable {
  /** The keys of the tokens in a source as it was fetched last for a revision up to this one; undefined for one nobody has read. */
  of(sourceId: string, revision: number): readonly string[] | undefined;
  /** `bot`: the one a source was fetched for; an artifact is nobody's and has revision 0. */
  put(sourceId: string, revision: number, bot: BotKey | undefined, tokenKeys: readonly string[]): void;
  /** The bot runs with this source as fetched for a revision up to this one: what it was fetched for besides is forgotten. */
  settle(sourceId: string, revision: number, bot: BotKey): void;
}

/** Single values by name: the store's own id, what was accepted, where the clock stood. */
export interface MetaTable {
  get(name: string): string | undefined;
  put(name: string, value: string): void;
}

export interface Tables {
  readonly openings: OpeningTable;
  readonly bots: BotTable;
  readonly jobs: JobTable;
  readonly tasks: TaskTable;
  readonly idempotency: IdempotencyTable;
  readonly outbox: OutboxTable;
  readonly workers: WorkerTable;
  readonly leftovers: LeftoverTable;
  readonly desires: DesireTable;
  readonly botVolumes: BotVolumeTable;
  readonly artifacts: ArtifactTable;
  readonly tokens: TokenTable;
  readonly telegramTokens: TelegramTokenTable;
  readonly sourceTokens: SourceTokenTable;
  readonly clock: ClockTable;
  readonly meta: MetaTable;
}

type Writing =
  | 'put'
  | 'remove'
  | 'add'
  | 'addStep'
  | 'followClock'
  | 'setMaxRuntime'
  | 'boundAges'
  | 'boundDeadlines'
  | 'setMark'
  | 'setAgeMark'
  | 'setPlace'
  | 'seen'
  | 'forget'
  | 'setCordoned'
  | 'putAccess'
  | 'removeWorker'
  | 'addChunk'
  | 'setFindings'
  | 'growUpload'
  | 'finish'
  | 'discardUpload'
  | 'own'
  | 'disown'
  | 'touch'
  | 'setUnneeded'
  | 'settle';

/** What a look may do: the tables without what writes to them. */
export type Reading = { readonly [K in keyof Tables]: Omit<Tables[K], Writing> };

export interface OpeningTable {
  /** All that are kept, oldest first. */
  all(): readonly Opening[];
  /** Adds one that begins now and drops those beyond the newest ten thousand. */
  add(id: string, at: number): void;
}
