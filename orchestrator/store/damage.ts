/**
 * A store that is damaged, or whose disk fails: found when it is opened and when it is used, and never reported as sound.
 *
 * 1. At the start every table but the bytes of sources is checked; those are checked by their sha256 when they are read.
 * 2. A store once found damaged is not trusted again by this process; a disk that is full may recover. One that failed in a
 *    sync is not trusted either: see log-sync.ts.
 */
import { statSync } from 'node:fs';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { Logger } from '#common/log.ts';
import { ProblemError, problem } from '#common/problem.ts';

export class StoreDamagedError extends Error {
  constructor(path: string, found: string) {
    super(
      `the store ${path} is damaged: ${found}. It was not changed.\n` +
        'Restore a backup (docs/DEPLOY.md, Backup and restore), or save what can be read with: ' +
        `sqlite3 ${path} .recover | sqlite3 recovered.sqlite`,
    );
    this.name = 'StoreDamagedError';
  }
}

// https://www.sqlite.org/rescode.html, without the extension in the upper bits.
const codes = { readonly: 8, ioError: 10, corrupt: 11, full: 13, notADatabase: 26 } as const;

function codeOf(error: unknown): number {
  return typeof error === 'object' && error !== null && 'errcode' in error ? Number(error.errcode) & 0xff : 0;
}

const isDamage = (error: unknown): boolean =>
  [codes.corrupt, codes.notADatabase].some((code) => code === codeOf(error));
/** Whether there was no space to write, as the database or `judge` says it. */
export const isFull = (error: unknown): boolean =>
  codeOf(error) === codes.full || (error instanceof ProblemError && codeOf(error.cause) === codes.full);
const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

// Some hundred milliseconds; a larger one is worth a line.
const largeBytes = 256 * 1024 * 1024;
const unchecked = ['artifact_chunks'];

/** Opens the database with `open` and checks it. Throws StoreDamagedError. */
export function openSound(path: string, open: () => DatabaseSync, logger: Logger | undefined): DatabaseSync {
  let db: DatabaseSync | undefined;
  try {
    db = open();
    const { size } = statSync(path);
    const begun = performance.now();
    if (size > largeBytes) logger?.info({ path, megabytes: Math.round(size / 1e6) }, 'checking the store');
    const found = check(db);
    if (found !== undefined) throw new StoreDamagedError(path, found);
    if (size > largeBytes)
      logger?.info({ seconds: Math.round((performance.now() - begun) / 1000) }, 'the store is intact');
    return db;
  } catch (error) {
    db?.close();
    throw isDamage(error) ? new StoreDamagedError(path, textOf(error)) : error;
  }
}

/** What is wrong; undefined when nothing is. One table at a time, since those that are large are left out. */
function check(db: DatabaseSync): string | undefined {
  const tables = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'").all();
  for (const { name } of tables) {
    if (unchecked.includes(String(name))) continue;
    const [first] = db.prepare(`PRAGMA quick_check('${String(name)}')`).all();
    const answer = String(Object.values(first ?? { quick_check: 'ok' })[0]);
    if (answer !== 'ok') return answer.split('\n')[0] ?? answer;
  }
  return undefined;
}

/** What the tables are made from: statements whose errors are judged. */
export interface Statements {
  prepare(sql: string): Pick<StatementSync, 'get' | 'all' | 'run'>;
}

export class StoreHealth {
  readonly #logger: Logger | undefined;
  #trouble: string | undefined;
  #damaged = false;
  #lost = false;
  #isQuiet = false;

  constructor(logger: Logger | undefined) {
    this.#logger = logger;
  }

  /** What is wrong with the store, for people; undefined when nothing is known to be. */
  get trouble(): string | undefined {
    return this.#trouble;
  }

  /** Whether a sync has failed: the store takes nothing any more. */
  get isLost(): boolean {
    return this.#lost;
  }

  /** A commit has succeeded: a disk that failed or was full works again. */
  worked(): void {
    if (this.#trouble === undefined || this.#damaged || this.#lost) return;
    this.#trouble = undefined;
    this.#logger?.info('the store is writable again');
  }

  /** A sync of the log takes long; it may still succeed. */
  slow(seconds: number): void {
    if (this.#trouble !== undefined) return;
    this.#trouble = `the disk of the store does not answer: a write has taken more than ${seconds} s`;
    this.#logger?.error({}, this.#trouble);
  }

  /** A sync of the log has failed. What was written last may be on disk or not, and so may anything after it. Returns the error for callers. */
  lost(error: unknown): ProblemError {
    this.#trouble = `the disk of the store has failed: ${textOf(error)}. Nothing is stored any more: check the disk, then restart the orchestrator`;
    this.#lost = true;
    this.#logger?.error({ err: error }, this.#trouble);
    const message = 'The disk of the orchestrator has failed, so that it is not known what was stored.';
    const hint = 'Its operator must check the disk and restart it. Then look at what is there before you try again.';
    return new ProblemError(problem('UNAVAILABLE', message, { hint }), { cause: error });
  }

  /** Runs what is tried again if the disk is full: that it is, is no trouble yet. */
  quietly<T>(work: () => T): T {
    this.#isQuiet = true;
    try {
      return work();
    } finally {
      this.#isQuiet = false;
    }
  }

  /** Runs what need not succeed; what it says of the database is noted. */
  trying(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.judge(error);
    }
  }

  /** Takes in a database error. Returns the error for the caller. */
  judge(error: unknown): unknown {
    const told = this.#told(error);
    if (told === undefined) return error;
    const { trouble, code, message } = told;
    if (this.#isQuiet && isFull(error)) return new ProblemError(problem(code, message), { cause: error });
    if (this.#trouble === undefined || (isDamage(error) && !this.#damaged && !this.#lost)) {
      this.#logger?.error({ err: error }, trouble);
      this.#trouble = trouble;
    }
    this.#damaged ||= isDamage(error);
    return new ProblemError(problem(code, message), { cause: error });
  }

  #told(error: unknown) {
    switch (codeOf(error)) {
      case codes.corrupt:
      case codes.notADatabase:
        return {
          trouble: `the store is damaged: ${textOf(error)}. Stop the orchestrator and restore a backup (docs/DEPLOY.md)`,
          code: 'UNAVAILABLE' as const,
          message: 'The store of the orchestrator is damaged; its operator must restore it.',
        };
      case codes.ioError:
      case codes.readonly:
        return {
          trouble: `the disk of the store is failing: ${textOf(error)}`,
          code: 'STORAGE_FULL' as const,
          message: 'The disk of the orchestrator is not writable; nothing was changed.',
        };
      case codes.full:
        return {
          trouble: 'the disk of the store is full: free space on the disk that holds DATA_DIR',
          code: 'STORAGE_FULL' as const,
          message: 'The disk of the orchestrator is full; nothing was changed.',
        };
      default:
        return undefined;
    }
  }

  /** The database as the tables see it. */
  watched(db: DatabaseSync): Statements {
    const judged = <A extends unknown[], R>(run: (...args: A) => R) => {
      return (...args: A): R => {
        try {
          return run(...args);
        } catch (error) {
          throw this.judge(error);
        }
      };
    };
    return {
      prepare(sql) {
        const statement = db.prepare(sql);
        // Their overloads differ in the first argument only, which is handed on as it is.
        return {
          get: judged(statement.get.bind(statement)) as StatementSync['get'],
          all: judged(statement.all.bind(statement)) as StatementSync['all'],
          run: judged(statement.run.bind(statement)) as StatementSync['run'],
        };
      },
    };
  }
}
