/** Table of bots. */
import type { DatabaseSync } from 'node:sqlite';
import type { BotRecord, BotStateName, Desired, Observed } from '../../core/records.ts';
import type { BotTable } from '../store.ts';
import { bytesOrNull, jsonOf, numberOf, numberOrNull, type Row, textOf, textOrNull } from './row.ts';

function toBot(row: Row): BotRecord {
  const undoDesired = textOrNull(row, 'undo_desired');
  return {
    userId: textOf(row, 'user_id'),
    botId: textOf(row, 'bot_id'),
    mode: textOf(row, 'mode'),
    desired: textOf(row, 'desired') as Desired, // held by the column's CHECK
    generation: numberOf(row, 'generation'),
    revision: numberOf(row, 'revision'),
    epoch: numberOf(row, 'epoch'),
    workerId: textOrNull(row, 'worker_id'),
    memoryBytes: numberOf(row, 'memory_bytes'),
    cpuMillis: numberOf(row, 'cpu_millis'),
    specSealed: bytesOrNull(row, 'spec_sealed'),
    purge: numberOf(row, 'purge') === 1,
    undo:
      undoDesired === null
        ? null
        : {
            desired: undoDesired as Desired, // written from a Desired below
            revision: numberOf(row, 'undo_revision'),
            specSealed: bytesOrNull(row, 'undo_spec_sealed'),
          },
    state: textOf(row, 'state') as BotStateName, // written from a BotStateName below
    observed: jsonOf<Observed>(row, 'observed'),
    observedAt: numberOrNull(row, 'observed_at'),
    eventSeq: numberOf(row, 'event_seq'),
    createdAt: numberOf(row, 'created_at'),
    updatedAt: numberOf(row, 'updated_at'),
  };
}

export function createBotTable(db: DatabaseSync): BotTable {
  const get = db.prepare('SELECT * FROM bots WHERE user_id = ? AND bot_id = ?');
  const ofUser = db.prepare("SELECT * FROM bots WHERE user_id = ? AND desired <> 'removed' ORDER BY bot_id");
  const ofWorker = db.prepare('SELECT * FROM bots WHERE worker_id = ?');
  const reserved = db.prepare(
    "SELECT worker_id, memory_bytes, cpu_millis FROM bots WHERE desired = 'running' AND worker_id IS NOT NULL",
  );
  const put = db.prepare(`
    INSERT OR REPLACE INTO bots (
      user_id, bot_id, mode, desired, generation, revision, epoch, worker_id, memory_bytes, cpu_millis, spec_sealed,
      purge, undo_desired, undo_revision, undo_spec_sealed, state, observed, observed_at, event_seq, created_at, updated_at
    ) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`);
  const remove = db.prepare('DELETE FROM bots WHERE user_id = ? AND bot_id = ?');
  return {
    get: ({ userId, botId }) => {
      const row = get.get(userId, botId);
      return row && toBot(row);
    },
    ofUser: (userId) => ofUser.all(userId).map(toBot),
    ofWorker: (workerId) => ofWorker.all(workerId).map(toBot),
    reserved: () =>
      reserved.all().map((row) => ({
        workerId: textOf(row, 'worker_id'),
        memoryBytes: numberOf(row, 'memory_bytes'),
        cpuMillis: numberOf(row, 'cpu_millis'),
      })),
    put: (bot) => {
      put.run(
        bot.userId,
        bot.botId,
        bot.mode,
        bot.desired,
        bot.generation,
        bot.revision,
        bot.epoch,
        bot.workerId,
        bot.memoryBytes,
        bot.cpuMillis,
        bot.specSealed,
        bot.purge ? 1 : 0,
        bot.undo?.desired ?? null,
        bot.undo?.revision ?? null,
        bot.undo?.specSealed ?? null,
        bot.state,
        JSON.stringify(bot.observed),
        bot.observedAt,
        bot.eventSeq,
        bot.createdAt,
        bot.updatedAt,
      );
    },
    remove: ({ userId, botId }) => {
      remove.run(userId, botId);
    },
  };
}
