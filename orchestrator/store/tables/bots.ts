/** Rows of bots. */

import type { BotKey } from '#common/ids.ts';
import { botRecord } from '../../core/bot/record.ts';
import { type BotRecord, botStates, type Desired, type Observed } from '../../core/records.ts';
import type { Statements } from '../damage.ts';
import { column, keyColumn } from './columns.ts';
import { bytesOf, bytesOrNull, jsonOf, numberOf, numberOrNull, type Row, textOf, textOrNull, wordOf } from './row.ts';

const desires: readonly Desired[] = ['running', 'stopped', 'removed'];

/** A row of `botsWithSpecs`. */
export function toBot(row: Row): BotRecord {
  const undoDesired = textOrNull(row, 'undo_desired');
  const specSealed = bytesOrNull(row, 'spec_sealed');
  return botRecord({
    userId: textOf(row, 'user_id'),
    botId: textOf(row, 'bot_id'),
    mode: textOf(row, 'mode'),
    desired: textOf(row, 'desired') as Desired, // held by the column's CHECK
    generation: numberOf(row, 'generation'),
    revision: numberOf(row, 'revision'),
    epoch: numberOf(row, 'epoch'),
    workerId: textOrNull(row, 'worker_id'),
    leaving: numberOf(row, 'leaving') === 1,
    memoryBytes: numberOf(row, 'memory_bytes'),
    cpuMillis: numberOf(row, 'cpu_millis'),
    specSealed,
    purge: numberOf(row, 'purge') === 1,
    undo:
      undoDesired === null
        ? null
        : {
            desired: wordOf(row, 'undo_desired', desires, 'stopped'),
            revision: numberOf(row, 'undo_revision'),
            wasUp: numberOf(row, 'undo_was_up') === 1,
            specSealed: numberOf(row, 'undo_keeps_spec') === 1 ? specSealed : bytesOrNull(row, 'undo_spec_sealed'),
          },
    pendingTask: textOrNull(row, 'pending_task'),
    state: wordOf(row, 'state', botStates, 'unknown'),
    observed: jsonOf<Observed>(row, 'observed', {}),
    observedAt: numberOrNull(row, 'observed_at'),
    runsSince: numberOf(row, 'runs_since'),
    stopsAt: numberOrNull(row, 'stops_at'),
    ageWarned: numberOf(row, 'age_warned') === 1,
    notice: textOf(row, 'notice'),
    eventSeq: numberOf(row, 'event_seq'),
    decidedSeq: numberOf(row, 'decided_seq'),
    createdAt: numberOf(row, 'created_at'),
    updatedAt: numberOf(row, 'updated_at'),
  });
}

/** Whether the spec to go back to is the bot's own. */
const keepsSpec = ({ undo, specSealed }: BotRecord): boolean => undo !== null && undo.specSealed === specSealed;

export const botColumns = [
  keyColumn<BotRecord>('user_id', ({ userId }) => userId),
  keyColumn<BotRecord>('bot_id', ({ botId }) => botId),
  column<BotRecord>('mode', ({ mode }) => mode),
  column<BotRecord>('desired', ({ desired }) => desired),
  column<BotRecord>('generation', ({ generation }) => generation),
  column<BotRecord>('revision', ({ revision }) => revision),
  column<BotRecord>('epoch', ({ epoch }) => epoch),
  column<BotRecord>('worker_id', ({ workerId }) => workerId),
  column<BotRecord>('leaving', ({ leaving }) => (leaving ? 1 : 0)),
  column<BotRecord>('memory_bytes', ({ memoryBytes }) => memoryBytes),
  column<BotRecord>('cpu_millis', ({ cpuMillis }) => cpuMillis),
  column<BotRecord>('purge', ({ purge }) => (purge ? 1 : 0)),
  column<BotRecord>('undo_desired', ({ undo }) => undo?.desired ?? null),
  column<BotRecord>('undo_revision', ({ undo }) => undo?.revision ?? null),
  column<BotRecord>('undo_was_up', ({ undo }) => (undo === null ? null : undo.wasUp ? 1 : 0)),
  column<BotRecord>('undo_keeps_spec', (bot) => (keepsSpec(bot) ? 1 : 0)),
  column<BotRecord>('state', ({ state }) => state),
  column<BotRecord>('observed', ({ observed }) => JSON.stringify(observed)),
  column<BotRecord>('observed_at', ({ observedAt }) => observedAt),
  column<BotRecord>('runs_since', ({ runsSince }) => runsSince),
  column<BotRecord>('stops_at', ({ stopsAt }) => stopsAt),
  column<BotRecord>('age_warned', ({ ageWarned }) => (ageWarned ? 1 : 0)),
  column<BotRecord>('notice', ({ notice }) => notice),
  column<BotRecord>('event_seq', ({ eventSeq }) => eventSeq),
  column<BotRecord>('decided_seq', ({ decidedSeq }) => decidedSeq),
  column<BotRecord>('created_at', ({ createdAt }) => createdAt),
  column<BotRecord>('updated_at', ({ updatedAt }) => updatedAt),
  column<BotRecord>('pending_task', ({ pendingTask }) => pendingTask),
];

export const botsWithSpecs = `
  SELECT bots.*, own.sealed AS spec_sealed, undone.sealed AS undo_spec_sealed FROM bots
  LEFT JOIN bot_specs AS own ON (own.user_id, own.bot_id, own.is_undo) = (bots.user_id, bots.bot_id, 0)
  LEFT JOIN bot_specs AS undone ON (undone.user_id, undone.bot_id, undone.is_undo) = (bots.user_id, bots.bot_id, 1)`;

/** Writes the specs of bots, each when it has changed: those of a row are never changed in place. */
export function createSpecWriter(
  db: Statements,
): (before: BotRecord | undefined, after: BotRecord | undefined) => void {
  const put = db.prepare('INSERT OR REPLACE INTO bot_specs (user_id, bot_id, is_undo, sealed) VALUES (?, ?, ?, ?)');
  const remove = db.prepare('DELETE FROM bot_specs WHERE user_id = ? AND bot_id = ? AND is_undo = ?');
  const own = (bot: BotRecord | undefined) => bot?.specSealed ?? null;
  const undone = (bot: BotRecord | undefined) =>
    bot === undefined || keepsSpec(bot) ? null : (bot.undo?.specSealed ?? null);
  return (before, after) => {
    const bot = after ?? before;
    if (bot === undefined) return;
    for (const [isUndo, sealedOf] of [own, undone].entries()) {
      const sealed = sealedOf(after);
      if (sealed === sealedOf(before)) continue;
      if (sealed === null) remove.run(bot.userId, bot.botId, isUndo);
      else put.run(bot.userId, bot.botId, isUndo, sealed);
    }
  };
}

/** What is read of bots where they are kept: by the page, or all of one column. */
export function createBotReader(db: Statements) {
  const sealedAfter = db.prepare(`${botsWithSpecs} WHERE (bots.user_id, bots.bot_id) > (?, ?)
    ORDER BY bots.user_id, bots.bot_id LIMIT ?`);
  const sealed = db.prepare('SELECT user_id, bot_id, sealed FROM bot_specs WHERE is_undo = 0');
  return {
    sealedAfter: ({ userId, botId }: BotKey, limit: number) =>
      sealedAfter.all(userId, botId, limit).map((row) => ({
        userId: textOf(row, 'user_id'),
        botId: textOf(row, 'bot_id'),
        sealed: ['spec_sealed', 'undo_spec_sealed'].flatMap((column) => bytesOrNull(row, column) ?? []),
      })),
    sealed: () =>
      sealed.all().map((row) => ({
        userId: textOf(row, 'user_id'),
        botId: textOf(row, 'bot_id'),
        specSealed: bytesOf(row, 'sealed'),
      })),
  };
}
