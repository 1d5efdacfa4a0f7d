/** Who has what, in memory: Telegram tokens, the tokens in sources, data volumes, and what workers may still have of bots. */
import { type BotKey, botKeyText } from '#common/ids.ts';
import type { Leftover } from '../../core/records.ts';
import type { BotVolumeTable, LeftoverTable, SourceTokenTable, TelegramTokenTable } from '../tables.ts';
import { Counts, Groups } from './indexes.ts';
import type { Loading } from './loading.ts';
import { type Index, Rows } from './rows.ts';
import type { Undo } from './undo.ts';

export interface TokenRow extends BotKey {
  readonly tokenKey: string;
}

export function createTelegramTokens(undo: Undo, loading: Loading, roomGrew: () => void) {
  const ofBot = new Groups<TokenRow>(botKeyText);
  const rows = new Rows<TokenRow>({ name: 'telegramTokens', undo, loading, indexes: { bot: ofBot } });
  const keyOf = ({ userId, botId }: BotKey): BotKey => ({ userId, botId });
  const table: TelegramTokenTable = {
    owner: (tokenKey) => {
      const row = rows.get(tokenKey);
      return row && keyOf(row);
    },
    ofBot: (bot) => [...ofBot.of(botKeyText(bot)).keys()],
    put: (tokenKey, { userId, botId }) => {
      if (rows.get(tokenKey) !== undefined) throw new Error('a Telegram token has an owner already');
      rows.put(tokenKey, { tokenKey, userId, botId });
    },
    remove: (tokenKey) => {
      rows.remove(tokenKey);
      roomGrew();
    },
    withOtherKeys: (prefix) => {
      const others = [...rows.values()].filter(({ tokenKey }) => !tokenKey.startsWith(prefix));
      return [...new Map(others.map((row) => [botKeyText(row), keyOf(row)])).values()];
    },
  };
  return { rows, table };
}

export interface SourceTokenRow extends BotKey {
  readonly sourceId: string;
  readonly revision: number;
  readonly tokenKeys: readonly string[];
}

export const sourceTokenKey = ({ sourceId, revision }: Pick<SourceTokenRow, 'sourceId' | 'revision'>): string =>
  `${revision} ${sourceId}`;

export function createSourceTokens(undo: Undo, loading: Loading) {
  const ofSource = new Groups<SourceTokenRow>(({ sourceId }) => sourceId);
  const ofBot = new Groups<SourceTokenRow>((row) => (row.botId === '' ? undefined : botKeyText(row)));
  const rows = new Rows<SourceTokenRow>({
    name: 'sourceTokens',
    undo,
    loading,
    indexes: { source: ofSource, bot: ofBot },
  });
  const upTo = (sourceId: string, revision: number): SourceTokenRow[] =>
    [...ofSource.of(sourceId).values()]
      .filter((row) => row.revision <= revision)
      .sort((a, b) => b.revision - a.revision);
  const removeAll = (those: Iterable<SourceTokenRow>) => {
    for (const row of those) rows.remove(sourceTokenKey(row));
  };
  const table: SourceTokenTable = {
    of: (sourceId, revision) => upTo(sourceId, revision)[0]?.tokenKeys,
    put: (sourceId, revision, bot, tokenKeys) => {
      const row = { sourceId, revision, userId: bot?.userId ?? '', botId: bot?.botId ?? '', tokenKeys };
      const before = rows.get(sourceTokenKey(row));
      // A source keeps the bot that it was first fetched for.
      rows.put(sourceTokenKey(row), before === undefined ? row : { ...before, tokenKeys });
    },
    settle: (sourceId, revision, bot) => {
      const own = [...ofBot.of(botKeyText(bot)).values()];
      removeAll(own.filter((row) => row.sourceId !== sourceId || row.revision > revision));
      const newest = upTo(sourceId, revision)[0]?.revision;
      if (newest !== undefined) removeAll(own.filter((row) => row.sourceId === sourceId && row.revision < newest));
    },
  };
  return {
    rows,
    table,
    /** With its artifact or its bot, as the triggers of the database do it. */
    removeSource: (sourceId: string) => removeAll([...ofSource.of(sourceId).values()]),
    removeBot: (bot: BotKey) => removeAll([...ofBot.of(botKeyText(bot)).values()]),
  };
}

export interface VolumeRow extends BotKey {
  readonly workerId: string;
}

const placeKey = ({ workerId, userId, botId }: VolumeRow): string => `${workerId} ${userId}/${botId}`;
export const volumeKey = placeKey;
const workersOf = (rows: Iterable<VolumeRow>): string[] => [...rows].map(({ workerId }) => workerId).sort();

/** `kept`: by user and bot, how many reasons it has to count as one that takes space. */
export function createVolumes(undo: Undo, loading: Loading, kept: Map<string, Map<string, number>>) {
  const ofBot = new Groups<VolumeRow>(botKeyText);
  const ofWorker = new Groups<VolumeRow>(({ workerId }) => workerId);
  const keeping = new Counts<VolumeRow>(({ userId, botId }) => [userId, botId], kept);
  const indexes = { bot: ofBot, worker: ofWorker, kept: keeping };
  const rows = new Rows<VolumeRow>({ name: 'volumes', undo, loading, indexes });
  const table: BotVolumeTable = {
    workersOf: (bot) => workersOf(ofBot.of(botKeyText(bot)).values()),
    put: ({ userId, botId }, workerId) => {
      const row = { userId, botId, workerId };
      if (rows.get(placeKey(row)) === undefined) rows.put(placeKey(row), row);
    },
    remove: ({ userId, botId }, workerId) => rows.remove(placeKey({ userId, botId, workerId })),
    removeWorker: (workerId) => {
      for (const key of [...ofWorker.of(workerId).keys()]) rows.remove(key);
    },
  };
  return { rows, table, needKept: (userId: string) => keeping.need(userId) };
}

export const leftoverKey = placeKey;
const byKey = (a: Leftover, b: Leftover): number => (placeKey(a) < placeKey(b) ? -1 : 1);

export function createLeftovers(undo: Undo, loading: Loading, roomGrew: () => void, desires: Index<Leftover>) {
  const ofBot = new Groups<Leftover>(botKeyText);
  const ofWorker = new Groups<Leftover>(({ workerId }) => workerId);
  const ofTask = new Groups<Leftover>(({ taskId }) => taskId);
  const copies = new Groups<Leftover>(({ copy }) => (copy ? 'copy' : undefined));
  const rows = new Rows<Leftover>({
    name: 'leftovers',
    undo,
    loading,
    indexes: { bot: ofBot, worker: ofWorker, task: ofTask, copies, desires },
  });
  const table: LeftoverTable = {
    ofWorker: (workerId) => [...ofWorker.of(workerId).values()].sort(byKey),
    ofBot: (bot) => [...ofBot.of(botKeyText(bot)).values()].sort((a, b) => (a.workerId < b.workerId ? -1 : 1)),
    withTask: (taskId) => {
      const [leftover] = ofTask.of(taskId).values();
      return leftover;
    },
    workersWith: (bot) => new Set(workersOf([...copies.of('copy').values(), ...ofBot.of(botKeyText(bot)).values()])),
    put: (leftover) => rows.put(placeKey(leftover), leftover),
    remove: (leftover) => {
      rows.remove(placeKey(leftover));
      roomGrew();
    },
  };
  return { rows, table };
}
