/** Table of the workers that may have a data volume of a bot. */
import type { Statements } from '../damage.ts';
import type { BotVolumeTable } from '../store.ts';
import { textOf } from './row.ts';

export function createBotVolumeTable(db: Statements): BotVolumeTable {
  const workersOf = db.prepare('SELECT worker_id FROM bot_volumes WHERE user_id = ? AND bot_id = ? ORDER BY worker_id');
  const put = db.prepare('INSERT OR IGNORE INTO bot_volumes (user_id, bot_id, worker_id) VALUES (?, ?, ?)');
  const remove = db.prepare('DELETE FROM bot_volumes WHERE user_id = ? AND bot_id = ? AND worker_id = ?');
  const removeWorker = db.prepare('DELETE FROM bot_volumes WHERE worker_id = ?');
  return {
    workersOf: ({ userId, botId }) => workersOf.all(userId, botId).map((row) => textOf(row, 'worker_id')),
    put: ({ userId, botId }, workerId) => {
      put.run(userId, botId, workerId);
    },
    remove: ({ userId, botId }, workerId) => {
      remove.run(userId, botId, workerId);
    },
    removeWorker: (workerId) => {
      removeWorker.run(workerId);
    },
  };
}
