/** Tasks that are not done, in memory. */
import { isFinal, type JobRecord, type TaskRecord } from '../../core/records.ts';
import type { TaskTable } from '../tables.ts';
import { Groups } from './indexes.ts';
import type { Loading } from './loading.ts';
import { Queues } from './queues.ts';
import { type Index, Rows } from './rows.ts';
import type { Undo } from './undo.ts';

export interface TasksPart {
  readonly rows: Rows<TaskRecord>;
  readonly table: TaskTable;
  /** Forgets what is done and on disk. */
  evict(): void;
}

export interface TaskParts {
  readonly undo: Undo;
  readonly loading: Loading;
  readonly jobOf: (jobId: string) => JobRecord | undefined;
  readonly desires: Index<TaskRecord>;
}

const byId = (a: TaskRecord, b: TaskRecord): number => (a.taskId < b.taskId ? -1 : 1);

export function createTasks({ undo, loading, jobOf, desires }: TaskParts): TasksPart {
  const free = new Queues<TaskRecord>(({ status, workerId, type }) =>
    status === 'open' && workerId === null ? type : undefined,
  );
  const taken = new Groups<TaskRecord>(({ status, workerId }) =>
    status === 'accepted' && workerId !== null ? workerId : undefined,
  );
  const over = new Groups<TaskRecord>(({ status }) => (status === 'done' ? status : undefined));
  const rows = new Rows<TaskRecord>({ name: 'tasks', undo, loading, indexes: { free, taken, over, desires } });
  return {
    rows,
    evict() {
      for (const taskId of [...over.loaded('done').keys()]) rows.evict(taskId);
    },
    table: {
      get: (taskId) => rows.get(taskId),
      oldestOpen: (types, except = []) => {
        const left = new Set(except);
        const [oldest] = types.flatMap((type) => free.first(type, left) ?? []).sort();
        return oldest === undefined ? undefined : rows.get(oldest);
      },
      takenBy: (workerId) =>
        [...taken.of(workerId).values()]
          .filter(({ taskId, jobId }) => {
            const job = jobOf(jobId);
            return job !== undefined && !isFinal(job.status) && job.taskId === taskId;
          })
          .sort(byId),
      put: (task) => rows.put(task.taskId, task),
    },
  };
}
