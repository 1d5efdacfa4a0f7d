/** Table of what workers may still have of bots that are not placed there. */

import type { Leftover } from '../../core/records.ts';
import type { Statements } from '../damage.ts';
import type { LeftoverTable } from '../store.ts';
import { numberOf, type Row, textOf } from './row.ts';

const toLeftover = (row: Row): Leftover => ({
  workerId: textOf(row, 'worker_id'),
  userId: textOf(row, 'user_id'),
  botId: textOf(row, 'bot_id'),
  epoch: numberOf(row, 'epoch'),
  generation: numberOf(row, 'generation'),
  purge: numberOf(row, 'purge') === 1,
  copy: numberOf(row, 'copy') === 1,
  taskId: textOf(row, 'task_id'),
});

export function createLeftoverTable(db: Statements): LeftoverTable {
  const ofWorker = db.prepare('SELECT * FROM leftovers WHERE worker_id = ?');
  const ofBot = db.prepare('SELECT * FROM leftovers WHERE user_id = ? AND bot_id = ? ORDER BY worker_id');
  const withTask = db.prepare('SELECT * FROM leftovers WHERE task_id = ?');
  const workersWith = db.prepare(
    'SELECT DISTINCT worker_id FROM leftovers WHERE copy = 1 OR (user_id = ? AND bot_id = ?)',
  );
  const put = db.prepare(`
    INSERT OR REPLACE INTO leftovers (worker_id, user_id, bot_id, epoch, generation, purge, copy, task_id)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)`);
  const remove = db.prepare('DELETE FROM leftovers WHERE worker_id = ? AND user_id = ? AND bot_id = ?');
  return {
    ofWorker: (workerId) => ofWorker.all(workerId).map(toLeftover),
    ofBot: ({ userId, botId }) => ofBot.all(userId, botId).map(toLeftover),
    withTask: (taskId) => {
      const row = withTask.get(taskId);
      return row && toLeftover(row);
    },
    workersWith: ({ userId, botId }) => new Set(workersWith.all(userId, botId).map((row) => textOf(row, 'worker_id'))),
    put: (leftover) => {
      put.run(
        leftover.workerId,
        leftover.userId,
        leftover.botId,
        leftover.epoch,
        leftover.generation,
        leftover.purge ? 1 : 0,
        leftover.copy ? 1 : 0,
        leftover.taskId,
      );
    },
    remove: ({ workerId, userId, botId }) => {
      remove.run(workerId, userId, botId);
    },
  };
}
