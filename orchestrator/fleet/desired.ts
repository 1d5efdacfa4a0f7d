/**
 * What a worker is sent of what it should run: everything when its session begins, when it asks and now and then; in between, every few
 * seconds, what has changed since. So a worker whose bots do not change costs the same whether it has ten or ten thousand.
 *
 * 1. What follows a set is sent as changes to it, in order and without a gap: each names the version it is based on.
 * 2. A worker that does not know changes is sent everything each time.
 * 3. A bot with a task that is not done is sent again each time, changed or not: a worker that has given the task up tries again.
 * 4. The whole set of a session that has begun is read some bots at a time, and what has changed meanwhile is read again at the end: all
 *    of it is true as of one moment. A worker that has removed a bot forgets it, and would start it again by a set from before.
 */
import { create } from '@bufbuild/protobuf';
import { nextTurn } from '#common/background.ts';
import { type BotKey, botKeyText } from '#common/ids.ts';
import {
  BotNameSchema,
  type DesiredChanges,
  DesiredChangesSchema,
  type DesiredSet,
  DesiredSetSchema,
  type Ensure,
  type SessionResponse,
  type StoreMoment,
} from '#gen/botrunner/v1/worker_service_pb.js';
import type { Reading } from '../store/tables.ts';

/** What one session was sent last; kept for those that know changes. */
export interface DesiredTold {
  version: number;
  /** Bots that were sent with a task. */
  withTasks: readonly BotKey[];
  /** Monotonic ms: when everything is due again. */
  wholeAtMs: number;
  /** The worker has asked for everything. */
  wanted: boolean;
}

/** The tables, as far as they are looked at here. */
type Counted = Pick<Reading, 'desires'>;
/** Runs work on what is on disk; it may be run again. */
type Look<T> = <V>(work: (tx: T) => V) => Promise<V>;

export interface DesiredSource<T = Reading> {
  readonly all: (tx: T, workerId: string) => readonly Ensure[];
  /** The same of one bot. */
  readonly of: (tx: T, workerId: string, key: BotKey) => readonly Ensure[];
  /** All that `all` is about. */
  readonly keys: (tx: T, workerId: string) => readonly BotKey[];
  /** Bots that the worker is to leave as they are. */
  readonly kept: (tx: T, workerId: string) => readonly BotKey[];
  /** For DesiredSet.now. */
  readonly now: (tx: T, workerId: string) => StoreMoment | undefined;
}

type Body = SessionResponse['body'];

// Each needs its spec decrypted.
const botsInATurn = 32;
const wholeEveryMs = 10 * 60 * 1000;

/** Before the first set. */
export const toldNothing = (): DesiredTold => ({ version: 0, withTasks: [], wholeAtMs: 0, wanted: true });

/** The session was sent this set. `random` in [0, 1): those that began together are not due together. */
export function tellAll(told: DesiredTold, { version, bots }: DesiredSet, nowMs: number, random: number): void {
  told.version = Number(version);
  told.withTasks = withTasks(bots);
  told.wholeAtMs = nowMs + wholeEveryMs * (1 - random / 2);
  told.wanted = false;
}

const withTasks = (bots: readonly Ensure[]): readonly BotKey[] =>
  bots.filter(({ taskId }) => taskId !== '').map(({ userId, botId }) => ({ userId, botId }));

/** Everything, as it is now. */
export const wholeSet = <T extends Counted>(source: DesiredSource<T>, tx: T, workerId: string): DesiredSet =>
  setOf(source, tx, workerId, tx.desires.version(workerId), source.all(tx, workerId));

function setOf<T>(source: DesiredSource<T>, tx: T, workerId: string, version: number, bots: readonly Ensure[]) {
  const kept = source.kept(tx, workerId).map(({ userId, botId }) => create(BotNameSchema, { userId, botId }));
  const now = source.now(tx, workerId);
  return create(DesiredSetSchema, { bots: [...bots], kept, version: BigInt(version), ...(now ? { now } : {}) });
}

async function wholeSetInTurns<T extends Counted>(source: DesiredSource<T>, look: Look<T>, workerId: string) {
  const { begun, keys } = await look((tx) => ({
    begun: tx.desires.version(workerId),
    keys: source.keys(tx, workerId),
  }));
  const read: Ensure[] = [];
  for (let at = 0; at < keys.length; at += botsInATurn) {
    const some = keys.slice(at, at + botsInATurn);
    read.push(...(await look((tx) => some.flatMap((key) => source.of(tx, workerId, key)))));
    await nextTurn();
  }
  return look((tx) => {
    const changed = tx.desires.since(workerId, begun);
    if (changed === undefined) return wholeSet(source, tx, workerId);
    const again = new Set(changed.map(botKeyText));
    const bots = [
      ...read.filter((bot) => !again.has(botKeyText(bot))),
      ...changed.flatMap((key) => source.of(tx, workerId, key)),
    ];
    return setOf(source, tx, workerId, tx.desires.version(workerId), bots);
  });
}

/** What the worker is to be told next, and notes that it was. */
export async function nextToTell<T extends Counted>(
  source: DesiredSource<T>,
  look: Look<T>,
  { workerId, told }: { readonly workerId: string; readonly told: DesiredTold | undefined },
  nowMs: number,
): Promise<Body> {
  if (told === undefined) return { case: 'desiredSet', value: await look((tx) => wholeSet(source, tx, workerId)) };
  const changes = await look((tx) => changesFor(source, tx, workerId, told, nowMs));
  if (changes !== undefined) {
    tellChanges(told, changes);
    return { case: 'desiredChanges', value: changes };
  }
  const value = await wholeSetInTurns(source, look, workerId);
  tellAll(told, value, nowMs, 0);
  return { case: 'desiredSet', value };
}

/** What has changed since the session was last sent something; undefined when everything has to be sent. */
export function changesFor<T extends Counted>(
  source: DesiredSource<T>,
  tx: T,
  workerId: string,
  told: Readonly<DesiredTold>,
  nowMs: number,
): DesiredChanges | undefined {
  const since = told.wanted || nowMs >= told.wholeAtMs ? undefined : tx.desires.since(workerId, told.version);
  if (since === undefined) return undefined;
  const keys = new Map([...told.withTasks, ...since].map((key) => [botKeyText(key), key]));
  const kept = keys.size === 0 ? new Set() : new Set(source.kept(tx, workerId).map(botKeyText));
  const bots: Ensure[] = [];
  const gone: BotKey[] = [];
  for (const [text, key] of keys) {
    const ensures = source.of(tx, workerId, key);
    bots.push(...ensures);
    if (ensures.length === 0 && !kept.has(text)) gone.push(key);
  }
  const now = source.now(tx, workerId);
  return create(DesiredChangesSchema, {
    baseVersion: BigInt(told.version),
    version: BigInt(tx.desires.version(workerId)),
    bots,
    gone: gone.map(({ userId, botId }) => create(BotNameSchema, { userId, botId })),
    ...(now ? { now } : {}),
  });
}

/** The session was sent these changes. */
export function tellChanges(told: DesiredTold, { version, bots }: DesiredChanges): void {
  told.version = Number(version);
  told.withTasks = withTasks(bots);
}
