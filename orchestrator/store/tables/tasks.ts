/** Table of tasks: work handed to workers. */

import type { TaskRecord } from '../../core/records.ts';
import type { Statements } from '../damage.ts';
import type { TaskTable } from '../store.ts';
import { numberOf, numberOrNull, type Row, textOf, textOrNull } from './row.ts';

export function createTaskTable(db: Statements): TaskTable {
  const get = db.prepare('SELECT * FROM tasks WHERE task_id = ?');
  const put = db.prepare(`
    INSERT OR REPLACE INTO tasks (task_id, job_id, type, worker_id, status, created_at, accepted_at, finished_at)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)`);
  const oldestOpen = db.prepare(`
    SELECT * FROM tasks WHERE status = 'open' AND worker_id IS NULL AND type IN (SELECT value FROM json_each(?1))
      AND task_id NOT IN (SELECT value FROM json_each(?2))
    ORDER BY task_id LIMIT 1`);
  // By way of the open jobs, which are few.
  const takenBy = db.prepare(`
    SELECT tasks.* FROM jobs JOIN tasks ON tasks.task_id = jobs.task_id
    WHERE jobs.status NOT IN ('completed', 'failed', 'cancelled') AND tasks.status = 'accepted' AND tasks.worker_id = ?
    ORDER BY tasks.task_id`);
  const newestId = db.prepare('SELECT max(task_id) AS newest FROM tasks');
  const toTask = (row: Row): TaskRecord => ({
    taskId: textOf(row, 'task_id'),
    jobId: textOf(row, 'job_id'),
    type: textOf(row, 'type'),
    workerId: textOrNull(row, 'worker_id'),
    status: textOf(row, 'status') as TaskRecord['status'], // held by the column's CHECK
    createdAt: numberOf(row, 'created_at'),
    acceptedAt: numberOrNull(row, 'accepted_at'),
    finishedAt: numberOrNull(row, 'finished_at'),
  });
  return {
    get: (taskId) => {
      const row = get.get(taskId);
      return row && toTask(row);
    },
    oldestOpen: (types, except = []) => {
      const row = oldestOpen.get(JSON.stringify(types), JSON.stringify(except));
      return row && toTask(row);
    },
    takenBy: (workerId) => takenBy.all(workerId).map(toTask),
    put: (task) => {
      put.run(
        task.taskId,
        task.jobId,
        task.type,
        task.workerId,
        task.status,
        task.createdAt,
        task.acceptedAt,
        task.finishedAt,
      );
    },
    newestId: () => textOrNull(newestId.get() ?? { newest: null }, 'newest') ?? undefined,
  };
}
