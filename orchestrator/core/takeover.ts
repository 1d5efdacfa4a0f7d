/** What a start or update that takes tokens over knows of that, kept in its params, so that a restart of any part continues from there. Pure. */
import type { JobInput, StoppedHolder } from './job-params.ts';
import type { JobRecord } from './records.ts';

export const takesOver = ({ action, params }: JobInput): boolean =>
  (action === 'start' || action === 'update') && params.takeover;

export const stoppedHolders = ({ action, params }: JobInput): readonly StoppedHolder[] =>
  action === 'start' || action === 'update' ? params.stopped : [];

/** The job, for which more holders were stopped. */
export const noteStopped = (job: JobRecord, holders: readonly StoppedHolder[]): JobRecord =>
  job.action === 'start' || job.action === 'update'
    ? { ...job, params: { ...job.params, stopped: [...job.params.stopped, ...holders] } }
    : job;

/** Whether the tokens were given to the job's bot after others had released them: from then on it may run. */
export const hasGot = ({ action, params }: JobInput): boolean =>
  (action === 'start' || action === 'update') && params.gotTokens;

export const noteGot = (job: JobRecord): JobRecord =>
  job.action === 'start' || job.action === 'update' ? { ...job, params: { ...job.params, gotTokens: true } } : job;
