/** Offers a task that is about no bot to whichever worker knows its type. In the caller's transaction. */
import type { Effect } from '../core/blueprints/blueprint.ts';
import type { JobRecord } from '../core/records.ts';
import type { Change } from './change.ts';
import type { EngineContext } from './context.ts';

/** Makes the task; the first worker that asks for its type gets it. */
export function offerTask(
  context: EngineContext,
  change: Change,
  job: JobRecord,
  effect: Extract<Effect, { kind: 'dispatch' }>,
): JobRecord {
  const taskId = context.newId();
  change.tx.tasks.put({
    taskId,
    jobId: job.jobId,
    type: effect.work.taskType,
    workerId: null,
    status: 'open',
    createdAt: change.now,
    acceptedAt: null,
    finishedAt: null,
  });
  change.afterCommit(() => context.taskOffered());
  const reason = `no worker for ${effect.work.taskType} has asked for work yet`;
  return change.putJob({ ...job, taskId, status: 'waiting_for_worker', reason });
}
