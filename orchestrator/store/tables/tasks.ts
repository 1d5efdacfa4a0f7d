/** Rows of tasks: work handed to workers. */

import type { TaskRecord } from '../../core/records.ts';
import type { Statements } from '../damage.ts';
import { column, keyColumn } from './columns.ts';
import { numberOf, numberOrNull, type Row, textOf, textOrNull } from './row.ts';

export const toTask = (row: Row): TaskRecord => ({
  taskId: textOf(row, 'task_id'),
  jobId: textOf(row, 'job_id'),
  type: textOf(row, 'type'),
  workerId: textOrNull(row, 'worker_id'),
  status: textOf(row, 'status') as TaskRecord['status'], // held by the column's CHECK
  createdAt: numberOf(row, 'created_at'),
  acceptedAt: numberOrNull(row, 'accepted_at'),
  finishedAt: numberOrNull(row, 'finished_at'),
});

export const taskColumns = [
  keyColumn<TaskRecord>('task_id', ({ taskId }) => taskId),
  column<TaskRecord>('job_id', ({ jobId }) => jobId),
  column<TaskRecord>('type', ({ type }) => type),
  column<TaskRecord>('worker_id', ({ workerId }) => workerId),
  column<TaskRecord>('status', ({ status }) => status),
  column<TaskRecord>('created_at', ({ createdAt }) => createdAt),
  column<TaskRecord>('accepted_at', ({ acceptedAt }) => acceptedAt),
  column<TaskRecord>('finished_at', ({ finishedAt }) => finishedAt),
];

/** The newest id of a task; undefined without one. */
export const newestTaskId = (db: Statements): string | undefined =>
  textOrNull(db.prepare('SELECT max(task_id) AS newest FROM tasks').get() ?? { newest: null }, 'newest') ?? undefined;
