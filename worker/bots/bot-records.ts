/**
 * What the worker keeps of each bot across its own restarts, one small file per bot. Holds no secret in clear. Every part
 * may be missing: the containers and the orchestrator are the truth, this only keeps counters and decisions from being forgotten.
 */
import { readdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { type BotKey, botHash, isBotId, userIdPattern } from '#common/ids.ts';
import type { Logger } from '#common/log.ts';
import type { Problem } from '#common/problem.ts';
import { readFileIfAny } from '../state/atomic-file.ts';
import { plainFiles, type SmallFiles } from '../state/small-files.ts';
import type { DesiredBot } from './desired.ts';

/** One start and end of a process: container id and start time. */
export type RunId = string;

export interface LastEnd {
  readonly exitCode: number | undefined;
  readonly oomKilled: boolean;
  readonly startedAtMs: number | undefined;
  readonly finishedAtMs: number | undefined;
  /** Set when it did not end on its own within this many ms of a stop, and was killed. */
  readonly killedAfterMs?: number;
}

/** What was decided about one end. */
export interface SettledEnd {
  readonly runId: RunId;
  readonly kind: 'exited' | 'crash_loop';
  /** Wall time of the next try, ms since 1970: for people, and for the time after a restart of the worker. */
  readonly nextTryAtMs: number | undefined;
  /** How long the whole wait is, which bounds the effect of a clock being set. Absent from older files. */
  readonly delayMs?: number | undefined;
  readonly reason: string;
  /** It says nothing about the version that ran: the engine or this worker ended it, or nobody watched. */
  readonly blameless?: boolean;
}

export interface Failure {
  readonly epoch: bigint;
  readonly generation: bigint;
  readonly revision: bigint;
  readonly problem: Problem;
}

export interface KeptBot {
  readonly key: BotKey;
  readonly desired: DesiredBot | undefined;
  /** The newest generation for which a container was started. */
  readonly startedGeneration: bigint;
  /** The image that was made last; the digest is of what it was made from, `pinned` and `ownModules` as in PreparedImage. */
  readonly image:
    | {
        readonly revision: bigint;
        /** The revision after which the image is named; its own unless given. */
        readonly of?: bigint;
        readonly digest: string;
        /** The source was fetched, and not searched for Telegram tokens, because the environment had one. */
        readonly unsearched?: boolean;
        readonly pinned?: string;
        readonly ownModules?: readonly string[] | undefined;
      }
    | undefined;
  /** The one before it, for as long as the bot may go back to it. */
  readonly formerImage: KeptBot['image'];
  readonly failure: Failure | undefined;
  readonly crashes: number;
  readonly restarts: number;
  readonly settledEnd: SettledEnd | undefined;
  readonly lastEnd: LastEnd | undefined;
  /** Set when this worker went away and took the process along: that end was not the bot's. */
  readonly suspendedRun: RunId | undefined;
  /** The run that is stopped, or was, because it has written too much. */
  readonly overDisk: { readonly runId: RunId; readonly reason: string; readonly inLayer: boolean } | undefined;
  /** The run that a stop had to kill, and how long it had been given. */
  readonly killed: { readonly runId: RunId; readonly afterMs: number } | undefined;
  /** The run that is being ended, or has ended, so that the bot can be started again by a user's decision. */
  readonly endedForRestart: RunId | undefined;
  /** The values to be masked, sealed. */
  readonly sealedSecrets: string | undefined;
  /** What its log says is wrong, as last reported. */
  readonly diagnosis: string | undefined;
}

export const emptyKeptBot = (key: BotKey): KeptBot => ({
  key,
  desired: undefined,
  startedGeneration: 0n,
  image: undefined,
  formerImage: undefined,
  failure: undefined,
  crashes: 0,
  restarts: 0,
  settledEnd: undefined,
  lastEnd: undefined,
  suspendedRun: undefined,
  overDisk: undefined,
  killed: undefined,
  endedForRestart: undefined,
  sealedSecrets: undefined,
  diagnosis: undefined,
});

export interface BotRecords {
  /** All that are kept. A damaged one is set aside under another name and logged. */
  loadAll(): Promise<readonly KeptBot[]>;
  save(record: KeptBot): Promise<void>;
  remove(key: BotKey): Promise<void>;
}

export function createBotRecords(dir: string, logger: Logger, files: SmallFiles = plainFiles): BotRecords {
  const pathOf = (key: BotKey) => join(dir, `${botHash(key)}.json`);
  return {
    async loadAll() {
      const records: KeptBot[] = [];
      for (const name of await readdir(dir)) {
        if (!name.endsWith('.json')) continue;
        const path = join(dir, name);
        const text = (await readFileIfAny(path))?.toString() ?? '';
        const record = parseRecord(text);
        if (record && pathOf(record.key) === path) records.push(record);
        else {
          logger.warn({ path }, 'a file of a bot is damaged; it is set aside and the bot is read from the engine');
          await rename(path, `${path}.damaged`);
        }
      }
      return records;
    },
    save: (record) => files.write(pathOf(record.key), formatRecord(record)),
    remove: (key) => files.remove(pathOf(key)),
  };
}

const formatVersion = 1;

// Revisions and generations are 64-bit: JSON numbers would round them.
const formatRecord = (record: KeptBot): string =>
  JSON.stringify({ version: formatVersion, ...record }, (_name, value: unknown) =>
    typeof value === 'bigint' ? { int64: String(value) } : value,
  );

/** Undefined for anything that formatRecord of this version did not write. */
function parseRecord(text: string): KeptBot | undefined {
  try {
    const value: unknown = JSON.parse(text, (_name, part: unknown) => (isInt64(part) ? BigInt(part.int64) : part));
    if (typeof value !== 'object' || value === null) return undefined;
    // Only this program writes these files; the version and the key are checked, the rest has the shape of its version.
    const { version, ...record } = value as { version?: unknown } & KeptBot;
    const { userId, botId } = record.key;
    if (version !== formatVersion || !userIdPattern.test(userId) || !isBotId(botId)) return undefined;
    return { ...emptyKeptBot(record.key), ...record };
  } catch {
    // Torn or foreign text; the caller sets the file aside.
    return undefined;
  }
}

const isInt64 = (part: unknown): part is { int64: string } =>
  typeof part === 'object' && part !== null && 'int64' in part && typeof part.int64 === 'string';
