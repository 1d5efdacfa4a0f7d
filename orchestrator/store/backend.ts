/**
 * Where a store keeps what it keeps: the only part that is written once for each database. One contract suite runs on all of them:
 * test/contract/store.
 */
import type { EventRecord } from '../core/records.ts';
import type { ChunkReader, EventLog, Upkeep } from './store.ts';
import type { Want } from './want.ts';
import type { Changed } from './workspace/rows.ts';
import type { ChunkChange } from './workspace/sources.ts';
import type { LoadedRow, RowOf, Workspace, WorkspaceRows } from './workspace/workspace.ts';

/** What a batch has looked at was changed by somebody else: it is decided anew. */
export class Conflict extends Error {
  constructor(what: string) {
    super(`changed meanwhile: ${what}`);
    this.name = 'Conflict';
  }
}

/** The database does not answer. */
export class Unavailable extends Error {
  /** Whether the commit may have happened. */
  readonly maybe: boolean;

  constructor(message: string, maybe: boolean, options?: ErrorOptions) {
    super(message, options);
    this.name = 'Unavailable';
    this.maybe = maybe;
  }
}

/** The rows of one want, and the versions that its guards are compared with. */
export interface LoadedWant {
  readonly want: Want;
  readonly rows: readonly LoadedRow[];
}

/** What was loaded, all as of one moment. */
export interface Loaded {
  readonly wants: readonly LoadedWant[];
  /** By the text of a want: of each that was loaded and of each row. Absent: 0. */
  readonly versions: ReadonlyMap<string, number>;
  /** The seq of the newest event of that moment. */
  readonly lastSeq: number;
}

export interface Guard {
  /** The text of a want: of a row, or of rows that have something in common. */
  readonly key: string;
  readonly version: number;
}

export type ChangedRows = { readonly [K in keyof WorkspaceRows]: { changes(): Iterable<Changed<RowOf<K>>> } };

/** What the works of a batch have decided, to be committed in one piece or not at all. */
export interface Batch {
  /** Names the batch for `outcome`. */
  readonly id: string;
  /** All that was looked at. */
  guards(): readonly Guard[];
  /** Whose guards fail from now on. */
  moved(): ReadonlySet<string>;
  readonly rows: ChangedRows;
  readonly chunks: readonly ChunkChange[];
  /** Numbered as if nobody else had added any after `afterSeq`; a backend with several writers numbers them anew. */
  readonly events: readonly EventRecord[];
  readonly afterSeq: number;
}

export interface Committed {
  /** The seq of the newest event after it. */
  readonly lastSeq: number;
}

/** A backend that no other process writes to, with what is alive in memory: guards are always true, and nothing needs waiting. */
export interface Kept {
  /** Everything that is alive, for as long as the backend is open. */
  readonly workspace: Workspace;
}

export interface Backend {
  /** Undefined for one that others write to as well. */
  readonly kept?: Kept;
  /** Loads all of the wants as of one moment. */
  load(wants: readonly Want[]): Promise<Loaded>;
  /**
   * Resolves when the batch is on disk. Rejects with Conflict, with Unavailable, or with a ProblemError such as STORAGE_FULL; then
   * nothing of it is there, but for an Unavailable that says `maybe`.
   */
  commit(batch: Batch): Promise<Committed>;
  /**
   * After an Unavailable that said `maybe`: what became of the batch. Undefined: it did not happen and, from the moment this resolves,
   * never will. Rejects with Unavailable when nobody can tell yet.
   */
  outcome(batchId: string): Promise<Committed | undefined>;
  readonly events: EventLog;
  readonly chunks: ChunkReader;
  readonly upkeep: Upkeep;
  /** The seq of the newest event when it was opened. */
  readonly lastSeq: number;
  /** Throws once it is not known any more what is on disk. */
  assertAnswers(): void;
  /** Whether there is room for what is large, as far as is known. */
  hasRoom(): boolean;
  /** Looks at the disk where there was none, and rejects with STORAGE_FULL while only what is small finds room. */
  assertRoom(): Promise<void>;
  /** What is wrong with it, for people. */
  trouble(): string | undefined;
  /** Takes in an error of a work or of the database; returns the one for the caller. */
  judge(error: unknown): unknown;
  close(): Promise<void>;
}
