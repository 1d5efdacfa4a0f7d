/** Table of bots. */

import { botRecord } from '../../core/bot/record.ts';
import { type BotRecord, botStates, type Desired, type Observed } from '../../core/records.ts';
import type { Statements } from '../damage.ts';
import type { BotTable } from '../store.ts';
import { bytesOf, bytesOrNull, jsonOf, numberOf, numberOrNull, type Row, textOf, textOrNull, wordOf } from './row.ts';

const desires: readonly Desired[] = ['running', 'stopped', 'removed'];

function toBot(row: Row): BotRecord {
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

export function createBotTable(db: Statements): BotTable {
  const get = db.prepare('SELECT * FROM bots WHERE user_id = ? AND bot_id = ?');
  const ofUser = db.prepare("SELECT * FROM bots WHERE user_id = ? AND desired <> 'removed' ORDER BY bot_id");
  const sealedAfter = db.prepare(`
    SELECT user_id, bot_id, spec_sealed, undo_spec_sealed FROM bots WHERE (user_id, bot_id) > (?, ?)
    ORDER BY user_id, bot_id LIMIT ?`);
  const sealed = db.prepare('SELECT user_id, bot_id, spec_sealed FROM bots WHERE spec_sealed IS NOT NULL');
  const ofWorker = db.prepare('SELECT * FROM bots WHERE worker_id = ?');
  const withPendingTask = db.prepare('SELECT * FROM bots WHERE pending_task = ?');
  const reserved = db.prepare(
    `SELECT worker_id, memory_bytes, cpu_millis FROM bots
     WHERE desired = 'running' AND state NOT IN ('exited', 'failed') AND worker_id IS NOT NULL`,
  );
  const put = db.prepare(`
    INSERT OR REPLACE INTO bots (
      user_id, bot_id, mode, desired, generation, revision, epoch, worker_id, leaving, memory_bytes, cpu_millis, spec_sealed,
      purge, undo_desired, undo_revision, undo_was_up, undo_spec_sealed, state, observed, observed_at, runs_since, stops_at, age_warned, notice, event_seq, decided_seq, created_at, updated_at,
      pending_task
    ) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`);
  const aging = db.prepare("SELECT * FROM bots WHERE desired = 'running' AND stops_at <= ? ORDER BY stops_at");
  // Two lookups in an index, since this is asked after every change.
  const nextStop = db.prepare(
    "SELECT min(stops_at) AS next FROM bots WHERE desired = 'running' AND stops_at IS NOT NULL AND age_warned = ?",
  );
  const setMaxRuntime = db.prepare(`
    UPDATE bots SET stops_at = nullif(runs_since + ?1, runs_since), age_warned = 0, notice = ''
    WHERE desired = 'running' AND stops_at IS NOT nullif(runs_since + ?1, runs_since)
      AND (age_warned = 0 OR ?1 = 0 OR runs_since + ?1 > stops_at)`);
  const followClock = db.prepare(`
    UPDATE bots SET runs_since = runs_since + ?1, stops_at = stops_at + ?1 WHERE desired = 'running'`);
  const boundAges = db.prepare(`
    UPDATE bots SET stops_at = ?1 + (stops_at - runs_since), runs_since = ?1 WHERE desired = 'running' AND runs_since > ?1`);
  const remove = db.prepare('DELETE FROM bots WHERE user_id = ? AND bot_id = ?');
  return {
    get: ({ userId, botId }) => {
      const row = get.get(userId, botId);
      return row && toBot(row);
    },
    ofUser: (userId) => ofUser.all(userId).map(toBot),
    sealedAfter: ({ userId, botId }, limit) =>
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
    ofWorker: (workerId) => ofWorker.all(workerId).map(toBot),
    withPendingTask: (taskId) => {
      const row = withPendingTask.get(taskId);
      return row && toBot(row);
    },
    reserved: () =>
      reserved.all().map((row) => ({
        workerId: textOf(row, 'worker_id'),
        memoryBytes: numberOf(row, 'memory_bytes'),
        cpuMillis: numberOf(row, 'cpu_millis'),
      })),
    aging: (stopsAt) => aging.all(stopsAt).map(toBot),
    nextAging: () => {
      const nextOf = (warned: 0 | 1) => {
        const next = nextStop.get(warned)?.['next'];
        return typeof next === 'number' ? next : undefined;
      };
      return { unwarned: nextOf(0), warned: nextOf(1) };
    },
    setMaxRuntime: (maxRuntimeMs) => {
      setMaxRuntime.run(maxRuntimeMs);
    },
    followClock: (stepMs) => {
      followClock.run(stepMs);
    },
    boundAges: (now) => {
      boundAges.run(now);
    },
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
        bot.leaving ? 1 : 0,
        bot.memoryBytes,
        bot.cpuMillis,
        bot.specSealed,
        bot.purge ? 1 : 0,
        bot.undo?.desired ?? null,
        bot.undo?.revision ?? null,
        bot.undo === null ? null : bot.undo.wasUp ? 1 : 0,
        bot.undo?.specSealed ?? null,
        bot.state,
        JSON.stringify(bot.observed),
        bot.observedAt,
        bot.runsSince,
        bot.stopsAt,
        bot.ageWarned ? 1 : 0,
        bot.notice,
        bot.eventSeq,
        bot.decidedSeq,
        bot.createdAt,
        bot.updatedAt,
        bot.pendingTask,
      );
    },
    remove: ({ userId, botId }) => {
      remove.run(userId, botId);
    },
  };
}
