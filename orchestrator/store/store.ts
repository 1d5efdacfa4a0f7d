/**
 * The store of truth, behind one interface: load, decide, commit.
 *
 * Invariants:
 * 1. `change` resolves only after its commit is on disk (fdatasync); what it threw left nothing behind.
 * 2. Changes that come together, or while others are on their way to the disk, share a commit, and still fail one by one.
 * 3. A work is synchronous and pure: it decides over what is loaded, without another writer in between, so a count and an insert
 *    that belong together cannot race. It is run as often as needed and has no effect but on the tables.
 * 4. A look is consistent, sees no change that is not on disk, and every change that was answered before it began.
 *    Once the disk has failed, it is not known what is there: changes and looks reject.
 * 5. What is alive is looked up in memory, and each row that a commit has changed is written once.
 */
import type { BotKey } from '#common/ids.ts';
import type { EventRecord } from '../core/records.ts';
import type { Reading, Tables } from './tables.ts';
import type { Want } from './want.ts';

export interface Store {
  /**
   * Runs `work` on what is loaded, as often as needed; resolves when what it did is on disk. A throw undoes it and rejects; a full
   * disk rejects with STORAGE_FULL. `wants` saves round trips. `when`: nobody waits for what is written `soon`, so that it shares
   * the commit of what comes within a few milliseconds.
   */
  change<T>(wants: readonly Want[], work: (tx: Tables) => T, when?: 'now' | 'soon'): Promise<T>;
  /** Runs `work` on what is loaded, as soon as nothing is on its way to the disk. Its tables cannot be written to. */
  look<T>(wants: readonly Want[], work: (tx: Reading) => T): Promise<T>;
  readonly events: EventLog;
  readonly chunks: ChunkReader;
  readonly upkeep: Upkeep;
  /** Calls back after each commit that added events, when they are on disk. Returns how to end that. */
  onEvents(listener: () => void): () => void;
  /** The seq of the newest event that is known here to be on disk. */
  lastSeq(): number;
  /** Rises whenever a job that waits for a worker may find one: room or a token was given back, a worker has changed. */
  room(): number;
  /**
   * Whether the disk has room for what is large, such as a source or a start, as far as is known. What is small finds room even then, as
   * long as the reserve lasts.
   */
  hasRoom(): boolean;
  /** The same, with a look at the disk if it is not known to have room: rejects with STORAGE_FULL. */
  assertRoom(): Promise<void>;
  /** What is wrong with it, for people: damaged, or its disk fails or is almost full. Undefined when nothing is known to be. */
  trouble(): string | undefined;
  /** Commits what is queued and closes. */
  close(): Promise<void>;
}

/** Events that are on disk, in the order of their commits, without a hole but for those that were pruned. */
export interface EventLog {
  /** Events after `seq`, oldest first, at most `limit`. */
  after(seq: number, limit: number): Promise<readonly EventRecord[]>;
  /** The same of one user; the empty user has the events of workers. */
  ofUserAfter(userId: string, seq: number, limit: number): Promise<readonly EventRecord[]>;
  /** The newest events of a user, or of one bot of it, oldest first. */
  lastOf(
    userId: string,
    query: { readonly botId?: string; readonly jobs: boolean },
    limit: number,
  ): Promise<readonly EventRecord[]>;
  /** The newest event of each bot that is not deleted, by seq, after `seq`: at most `limit`. */
  latestOfBots(seq: number, limit: number): Promise<readonly EventRecord[]>;
  /** The newest kept event of each worker. */
  latestOfWorkers(): Promise<readonly EventRecord[]>;
  /** Events of the user up to this seq may be missing. */
  floor(userId: string): Promise<number>;
}

/** The bytes of uploads, which no work needs. */
export interface ChunkReader {
  /** Undefined after the last one. */
  chunk(uploadId: string, n: number): Promise<StoredChunk | undefined>;
  /** The length of a chunk in bytes as it is stored, without reading it. */
  chunkSize(
    uploadId: string,
    n: number,
  ): Promise<{ readonly storedBytes: number; readonly isSealed: boolean } | undefined>;
}

/** A chunk as it is stored: see openChunk. */
export interface StoredChunk {
  readonly bytes: Uint8Array;
  /** False for one that an earlier release has stored, until it is sealed. */
  readonly isSealed: boolean;
}

/** A chunk and its place. */
export interface StoredPiece {
  readonly uploadId: string;
  readonly n: number;
  readonly bytes: Uint8Array;
}

export interface SealedSample {
  readonly boundTo: string;
  readonly sealed: Uint8Array;
}

export interface SealedJob extends BotKey {
  readonly jobId: string;
  readonly sealed: Uint8Array;
}

export interface UserHistory {
  readonly jobs: number;
  readonly jobBytes: number;
  readonly events: number;
  readonly eventBytes: number;
}

/** An artifact that a user has. */
export interface OwnedSource {
  readonly userId: string;
  readonly sha256: string;
}

/** What looks through all of the store, a page at a time, and removes what is old: no decision rests on it. */
export interface Upkeep {
  /**
   * Removes the oldest events, at most `limit`: those before the time and, of users who have more than an equal share of `keep`, their
   * own oldest. The newest event of each bot that is not deleted stays. Returns how far it got; 0 when there is nothing left to do.
   */
  pruneEvents(bounds: { readonly before: number; readonly keep: number; readonly limit: number }): Promise<number>;
  /** How many events there are that pruneEvents counts: without those that stayed when it came by. */
  eventCount(): Promise<number>;
  /** Removes final jobs made before the time, with their states and tasks, at most `limit`. Returns how many. */
  pruneJobs(before: number, limit: number): Promise<number>;
  /** The same of users whose jobs take more than they may, open ones included: those that ended first. */
  pruneJobsBeyond(bytesMax: (userId: string) => number, limit: number): Promise<number>;
  /** How many ended jobs and events of a user there are, and about how much they take. */
  historyOf(userId: string): Promise<UserHistory>;
  /** Forgets Idempotency-Keys that were used before the time, at most `limit`. Returns how many. */
  pruneIdempotency(before: number, limit: number): Promise<number>;
  /** Removes chunks of an upload that belongs to no artifact, at most `limit`. Returns how many. */
  removeChunks(uploadId: string, limit: number): Promise<number>;
  /** Uploads that have chunks and belong to no artifact: all of them, while none is under way. */
  unfinishedUploads(): Promise<readonly string[]>;
  /** The newest id of a job or a task; undefined without one. */
  newestId(): Promise<string | undefined>;
  /** Open jobs that have a spec of their own, by id, after one; at most `limit`. */
  sealedJobsAfter(jobId: string, limit: number): Promise<readonly SealedJob[]>;
  /** Bots by user and id, after one, with their sealed specs, also the one to go back to; at most `limit`. */
  sealedBotsAfter(
    after: BotKey,
    limit: number,
  ): Promise<readonly (BotKey & { readonly sealed: readonly Uint8Array[] })[]>;
  /** All bots that have a spec. */
  sealedBots(): Promise<readonly (BotKey & { readonly specSealed: Uint8Array })[]>;
  /** Some of what is sealed; none when nothing is. */
  sealedSamples(): Promise<readonly SealedSample[]>;
  /** Who has which artifacts, by user and sha256, after one; at most `limit`. */
  ownedAfter(after: OwnedSource, limit: number): Promise<readonly OwnedSource[]>;
  /** The sha256 of all artifacts of a user. */
  ownedBy(userId: string): Promise<readonly string[]>;
  /** The users with the most bytes in sources, the most first; at most `limit`. */
  holdingMost(limit: number): Promise<readonly string[]>;
  /** Looks at the disk, and fills up what is kept for a full one. `short`: it is in use, and less than half of it is left. */
  keepReserve(): Promise<'kept' | 'short'>;
  /** Chunks that are not sealed; at most `limit`. */
  plainChunks(limit: number): Promise<readonly StoredPiece[]>;
  /** Puts sealed bytes in their place, and writes over what was there. */
  replacePlainChunks(sealed: readonly StoredPiece[]): Promise<void>;
  /** Removes what is left of them in the log of the database. */
  forgetPlainChunks(): Promise<void>;
  /** Removes all sources that are sealed, for a store whose key is lost. */
  dropSealedSources(): Promise<void>;
  /** Gives some of the free space on disk back: at most `pages`. False when there is none, or it cannot. */
  shrink(pages: number): Promise<boolean>;
}
