/** Rows of bots. */

import type { BotKey } from '#common/ids.ts';
import { botRecord } from '../../core/bot/record.ts';
import { type BotRecord, botStates, type Desired, type Observed } from '../../core/records.ts';
import type { Statements } from '../damage.ts';
import { column, keyColumn } from './columns.ts';
import { bytesOf, bytesOrNull, jsonOf, numberOf, numberOrNull, type Row, textOf, textOrNull, wordOf } from './row.ts';

const desires: readonly Desired[] = ['running', 'stopped', 'removed'];

export function toBot(row: Row): BotRecord {
  const undoDesired = textOrNull(row, 'undo_desired');
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
    specSealed: bytesOrNull(row, 'spec_sealed'),
    purge: numberOf(row, 'purge') === 1,
    undo:
      undoDesired === null
        ? null
        : {
            desired: wordOf(row, 'undo_desired', desires, 'stopped'),
            revision: numberOf(row, 'undo_revision'),
            wasUp: numberOf(row, 'undo_was_up') === 1,
            specSealed: bytesOrNull(row, 'undo_spec_sealed'),
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
  column<BotRecord>('spec_sealed', ({ specSealed }) => specSealed),
  column<BotRecord>('purge', ({ purge }) => (purge ? 1 : 0)),
  column<BotRecord>('undo_desired', ({ undo }) => undo?.desired ?? null),
  column<BotRecord>('undo_revision', ({ undo }) => undo?.revision ?? null),
  column<BotRecord>('undo_was_up', ({ undo }) => (undo === null ? null : undo.wasUp ? 1 : 0)),
  column<BotRecord>('undo_spec_sealed', ({ undo }) => undo?.specSealed ?? null),
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

/** What is read of bots where they are kept: by the page, or all of one column. */
export function createBotReader(db: Statements) {
  const sealedAfter = db.prepare(`
    SELECT user_id, bot_id, spec_sealed, undo_spec_sealed FROM bots WHERE (user_id, bot_id) > (?, ?)
    ORDER BY user_id, bot_id LIMIT ?`);
  const sealed = db.prepare('SELECT user_id, bot_id, spec_sealed FROM bots WHERE spec_sealed IS NOT NULL');
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
        specSealed: bytesOf(row, 'spec_sealed'),
      })),
  };
}
