/** How long a job may take, and what it ends with when that has passed. Pure. */
import { type Problem, problem } from '#common/problem.ts';
import { type JobAction, rowOf } from './actions.ts';
import type { JobRecord } from './records.ts';

/** Deadlines of jobs, ms. */
export interface Deadlines {
  readonly deploymentDeadlineMs: number;
  readonly otherDeadlineMs: number;
}

/** How long a job of the action may take, ms. */
export const deadlineMs = (settings: Deadlines, action: JobAction): number =>
  rowOf(action).deadline === 'deployment' ? settings.deploymentDeadlineMs : settings.otherDeadlineMs;

/** Why a job could not end in time, with what is true of its bot now. */
export function deadlineProblem(job: JobRecord): Problem {
  const seconds = Math.round((job.deadlineAt - job.createdAt) / 1000);
  const details = { job_id: job.jobId, waited_seconds: seconds };
  if (job.status === 'waiting_for_worker' && rowOf(job.action).deploys) {
    return problem('NO_WORKER', `No worker could take the bot within ${seconds} s: ${job.reason}.`, { details });
  }
  if (job.status === 'waiting_for_worker' && job.botId === '') {
    return problem('NO_WORKER', `No worker did the job within ${seconds} s: ${job.reason}.`, { details });
  }
  if (job.status === 'waiting_for_worker') {
    return problem('DEADLINE_EXCEEDED', `The worker of the bot did not answer within ${seconds} s: ${job.reason}.`, {
      details,
      hint: 'The bot will be stopped as soon as its worker is back.',
    });
  }
  const waited = job.status === 'pending' && job.reason !== '' ? `: ${job.reason}` : '';
  return problem('DEADLINE_EXCEEDED', `The job did not end within ${seconds} s${waited}.`, { details });
}
