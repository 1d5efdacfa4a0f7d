/**
 * The tables of the store as the engine has them, without a disk: what is alive is the store's own (store/alive), and what it keeps on
 * disk are rows in maps here. A crash starts again from those.
 */

import { botKeyText } from '#common/ids.ts';
import type { Opening } from '../../../orchestrator/core/history.ts';
import { parseJobInput, storedParams } from '../../../orchestrator/core/job-params.ts';
import type { BotRecord, EventRecord, JobRecord } from '../../../orchestrator/core/records.ts';
import { isFinal } from '../../../orchestrator/core/records.ts';
import { type Alive, type AliveRows, createAlive } from '../../../orchestrator/store/alive/alive.ts';
import type { JobRow } from '../../../orchestrator/store/alive/jobs.ts';
import type { Rows } from '../../../orchestrator/store/alive/rows.ts';
import type { ArtifactTable, IdempotencyTable, Tables } from '../../../orchestrator/store/tables.ts';

/** What the engine does not use. */
const absent = (): never => {
  throw new Error('these tables are for the engine alone');
};

/** The rows on disk, by kind and key. */
type Disk = { readonly [K in keyof AliveRows]: Map<string, AliveRows[K] extends Rows<infer R> ? R : never> };

const emptyDisk = (): Disk => ({
  bots: new Map(),
  jobs: new Map(),
  tasks: new Map(),
  workers: new Map(),
  leftovers: new Map(),
  volumes: new Map(),
  telegramTokens: new Map(),
  sourceTokens: new Map(),
});

/** A copy of all that is on disk. */
export interface Backup {
  readonly disk: Disk;
  readonly events: ReadonlyMap<string, EventRecord>;
  readonly keys: ReadonlyMap<string, { readonly bodySha256: string; readonly jobId: string }>;
  readonly owned: ReadonlySet<string>;
  readonly openings: readonly Opening[];
  readonly lastSeq: number;
}

function refill<V>(map: Map<string, V>, from: ReadonlyMap<string, V>): void {
  map.clear();
  for (const [key, value] of from) map.set(key, value);
}

export class MemoryTables {
  readonly #disk = emptyDisk();
  /** The newest event of each bot: nothing else of them is asked by the engine. */
  readonly #events = new Map<string, EventRecord>();
  readonly #keys = new Map<string, { readonly bodySha256: string; readonly jobId: string }>();
  readonly #owned = new Set<string>();
  #openings: Opening[] = [];
  #lastSeq = 0;
  #alive = this.#open();
  /** What the engine works on; another one after a crash. */
  tables = this.#tablesOf(this.#alive);

  /** Runs work as one transaction: what it did is taken back when it throws, or unless it should be kept. */
  transact<T>(work: (tables: Tables) => T, keep = true): T {
    const mark = this.#alive.undo.mark();
    try {
      const value = work(this.tables);
      if (keep) this.#commit();
      else this.#alive.undo.back(mark);
      return value;
    } catch (error) {
      this.#alive.undo.back(mark);
      throw error;
    }
  }

  /** As Store.room. */
  room(): number {
    return this.#alive.room();
  }

  /** Every bot there is. */
  bots(): readonly BotRecord[] {
    return [...this.#alive.rows.bots.values()];
  }

  /** As the store's table of openings: one more, from here on. Returns all. */
  openAgain(id: string): readonly Opening[] {
    this.#openings = [...this.#openings, { id, fromSeq: this.#lastSeq, after: this.#openings.at(-1)?.id ?? '' }];
    return this.#openings;
  }

  backup(): Backup {
    const disk = Object.fromEntries(
      Object.entries(this.#disk).map(([name, rows]) => [name, new Map<string, unknown>(rows)]),
    );
    return {
      disk: disk as unknown as Disk, // the same names, each with rows of its kind
      events: new Map(this.#events),
      keys: new Map(this.#keys),
      owned: new Set(this.#owned),
      openings: this.#openings,
      lastSeq: this.#lastSeq,
    };
  }

  /** All that was done since is lost. */
  setBack({ disk, events, keys, owned, openings, lastSeq }: Backup): void {
    for (const name of Object.keys(disk) as (keyof Disk)[])
      refill(this.#disk[name] as Map<string, unknown>, disk[name]);
    refill(this.#events, events);
    refill(this.#keys, keys);
    this.#owned.clear();
    for (const id of owned) this.#owned.add(id);
    this.#openings = [...openings];
    this.#lastSeq = lastSeq;
    this.crash();
  }

  /** All that was in memory is lost. */
  crash(): void {
    this.#alive = this.#open();
    this.tables = this.#tablesOf(this.#alive);
  }

  #commit(): void {
    const { rows } = this.#alive;
    for (const name of Object.keys(rows) as (keyof AliveRows)[]) {
      // A name has the rows of its kind.
      const [kind, disk] = [rows[name] as Rows<unknown>, this.#disk[name] as Map<string, unknown>];
      for (const { key, after } of kind.changes()) {
        if (after === undefined) disk.delete(key);
        else disk.set(key, after);
      }
    }
    for (const event of this.#alive.added()) {
      this.#lastSeq = event.seq;
      if (event.body.kind === 'bot') this.#events.set(botKeyText(event), event);
    }
    this.#alive.keep();
  }

  #open(): Alive {
    const latestOfBot = (bot: Parameters<Tables['outbox']['latestOfBot']>[0]) => this.#events.get(botKeyText(bot));
    const alive = createAlive({
      job: (jobId) => this.#disk.jobs.get(jobId),
      task: (taskId) => this.#disk.tasks.get(taskId),
      lastSeq: () => this.#lastSeq,
      events: {
        latestOfBot,
        lastBotSeq: (bot) => latestOfBot(bot)?.botSeq ?? 0,
        after: absent,
      },
    });
    const open = new Set<string | null>();
    for (const [key, row] of this.#disk.jobs) {
      if (isFinal(row.job.status)) continue;
      open.add(row.job.taskId);
      alive.rows.jobs.load(key, asRead(row));
    }
    for (const [key, task] of this.#disk.tasks) {
      if (open.has(key) && task.status !== 'done') alive.rows.tasks.load(key, task);
    }
    for (const name of ['bots', 'workers', 'leftovers', 'volumes', 'telegramTokens', 'sourceTokens'] as const) {
      for (const [key, row] of this.#disk[name]) (alive.rows[name] as Rows<unknown>).load(key, row); // as above
    }
    return alive;
  }

  #tablesOf({ tables }: Alive): Tables {
    return {
      ...tables,
      outbox: { ...tables.outbox, place: absent, setPlace: absent },
      workers: { ...tables.workers, access: absent, allAccess: absent, putAccess: absent },
      idempotency: this.#idempotency(),
      artifacts: this.#artifacts(),
      openings: { all: () => [], add: absent },
      tokens: { all: absent, put: absent, remove: absent },
      clock: { mark: () => undefined, setMark: () => undefined, ageMark: absent, setAgeMark: absent },
      meta: { get: absent, put: absent },
    };
  }

  /** In the same transaction as the rows in the store; here it is undone with them. */
  #idempotency(): IdempotencyTable {
    return {
      get: (userId, key) => this.#keys.get(`${userId} ${key}`),
      put: (userId, key, bodySha256, jobId) => {
        const id = `${userId} ${key}`;
        this.#keys.set(id, { bodySha256, jobId });
        this.#alive.undo.push(() => this.#keys.delete(id));
      },
    };
  }

  /** Who has which artifact; the engine does not need the bytes. */
  #artifacts(): ArtifactTable {
    const add = (id: string) => {
      if (this.#owned.has(id)) return;
      this.#owned.add(id);
      this.#alive.undo.push(() => this.#owned.delete(id));
    };
    return {
      own: (userId, sha256) => add(`${userId} ${sha256}`),
      isOwnedBy: (userId, sha256) => this.#owned.has(`${userId} ${sha256}`),
      get: (sha256) => (this.#owned.has(sha256) ? { uploadId: sha256, sizeBytes: 1, unneededAt: null } : undefined),
      finish: (_uploadId, sha256) => add(sha256),
      addBytes: () => undefined,
      touch: () => undefined,
      addChunk: absent,
      discardUpload: absent,
      ownersOf: absent,
      setUnneeded: absent,
      remove: absent,
    };
  }
}

/** A job as it comes back from the disk: its input is written as JSON. */
function asRead({ job, steps }: JobRow): JobRow {
  const stored = JSON.parse(JSON.stringify(storedParams(job)));
  const { action: _action, params: _params, ...rest } = job;
  return { job: { ...rest, ...parseJobInput(job.action, stored) } as JobRecord, steps }; // a job is its fields and its input
}
