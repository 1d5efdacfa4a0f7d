/** Bots in memory. All of them: also one that is stopped may be started, listed and looked at any time. */
import { type BotKey, botKeyText } from '#common/ids.ts';
import { boundAge, followingClock, limited } from '../../core/bot/aged.ts';
import { mayRun } from '../../core/quota.ts';
import type { BotRecord } from '../../core/records.ts';
import type { BotTable } from '../tables.ts';
import { Counts, Groups, Sums } from './indexes.ts';
import type { Loading } from './loading.ts';
import { type Index, Rows } from './rows.ts';
import { Soonest } from './soonest.ts';
import type { Undo } from './undo.ts';

export interface BotsPart {
  readonly rows: Rows<BotRecord>;
  readonly table: Omit<BotTable, 'activeOf' | 'keptOf'>;
  /** Sees to it that those of a user that may run are counted. */
  needActive(userId: string): void;
  /** The same of those that are not deleted. */
  needKept(userId: string): void;
}

export interface BotParts {
  readonly undo: Undo;
  readonly loading: Loading;
  /** By user and bot, how many reasons it has to count against the quota. */
  readonly active: Map<string, Map<string, number>>;
  /** The same for those that take space. */
  readonly kept: Map<string, Map<string, number>>;
  /** Something that waits may find room now. */
  readonly roomGrew: () => void;
  readonly removed: (key: BotKey) => void;
  readonly desires: Index<BotRecord>;
}

const byId = (a: BotRecord, b: BotRecord): number => (a.botId < b.botId ? -1 : 1);
const byUserAndId = (a: BotRecord, b: BotRecord): number =>
  a.userId === b.userId ? byId(a, b) : a.userId < b.userId ? -1 : 1;
const stopsAt = (warned: boolean) => (bot: BotRecord) =>
  bot.desired === 'running' && bot.ageWarned === warned ? (bot.stopsAt ?? undefined) : undefined;

export function createBots({ undo, loading, active, kept, roomGrew, removed, desires }: BotParts): BotsPart {
  const byUser = new Groups<BotRecord>(({ userId, desired }) => (desired === 'removed' ? undefined : userId));
  const byWorker = new Groups<BotRecord>(({ workerId }) => workerId ?? undefined);
  const byPendingTask = new Groups<BotRecord>(({ pendingTask }) => pendingTask ?? undefined);
  const reserved = new Sums<BotRecord>(
    (bot) => (mayRun(bot) && bot.workerId !== null ? { of: bot.workerId, ...bot } : undefined),
    roomGrew,
  );
  const counted = new Counts<BotRecord>((bot) => (mayRun(bot) ? [bot.userId, bot.botId] : undefined), active);
  const keeping = new Counts<BotRecord>(
    ({ userId, botId, desired }) => (desired === 'removed' ? undefined : [userId, botId]),
    kept,
  );
  const ends = { unwarned: new Soonest(stopsAt(false)), warned: new Soonest(stopsAt(true)) };
  const indexes = {
    user: byUser,
    worker: byWorker,
    pendingTask: byPendingTask,
    reserved,
    active: counted,
    kept: keeping,
    unwarned: ends.unwarned,
    warned: ends.warned,
    desires,
  };
  const rows = new Rows<BotRecord>({ name: 'bots', undo, loading, indexes });
  const put = (bot: BotRecord) => rows.put(botKeyText(bot), bot);
  const each = (change: (bot: BotRecord) => BotRecord) => {
    for (const bot of [...rows.values()]) {
      const next = change(bot);
      if (next !== bot) put(next);
    }
  };
  return {
    rows,
    needActive: (userId) => counted.need(userId),
    needKept: (userId) => keeping.need(userId),
    table: {
      get: (key) => rows.get(botKeyText(key)),
      ofUser: (userId) => [...byUser.of(userId).values()].sort(byId),
      ofWorker: (workerId) => [...byWorker.of(workerId).values()].sort(byUserAndId),
      withPendingTask: (taskId) => {
        const [bot] = byPendingTask.of(taskId).values();
        return bot;
      },
      reservedOn: (workerId) => reserved.of(workerId),
      aging: (at) =>
        [...ends.unwarned.until(at), ...ends.warned.until(at)]
          .flatMap((key) => rows.get(key) ?? [])
          .sort((a, b) => (a.stopsAt ?? 0) - (b.stopsAt ?? 0)),
      nextAging: () => ({ unwarned: ends.unwarned.next(), warned: ends.warned.next() }),
      setMaxRuntime: (maxRuntimeMs) => each((bot) => limited(bot, maxRuntimeMs)),
      followClock: (stepMs) => each((bot) => followingClock(bot, stepMs)),
      boundAges: (now) => each((bot) => boundAge(bot, now)),
      put,
      remove: (key) => {
        rows.remove(botKeyText(key));
        removed(key);
      },
    },
  };
}
