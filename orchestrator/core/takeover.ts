/** What a deployment that takes tokens over knows of that, kept in its params, so that a restart of any part continues from there. Pure. */
import { isDeployment } from './actions.ts';
import type { JobInput, StoppedHolder } from './job-params.ts';
import type { JobRecord } from './records.ts';

export const takesOver = (input: JobInput): boolean => isDeployment(input) && input.params.takeover;

export const stoppedHolders = (input: JobInput): readonly StoppedHolder[] =>
  isDeployment(input) ? input.params.stopped : [];

/** The job, for which more holders were stopped. */
export const noteStopped = (job: JobRecord, holders: readonly StoppedHolder[]): JobRecord =>
  isDeployment(job) ? { ...job, params: { ...job.params, stopped: [...job.params.stopped, ...holders] } } : job;

/** Whether the tokens were given to the job's bot after others had released them: from then on it may run. */
export const hasGot = (input: JobInput): boolean => isDeployment(input) && input.params.gotTokens;

export const noteGot = (job: JobRecord): JobRecord =>
  isDeployment(job) ? { ...job, params: { ...job.params, gotTokens: true } } : job;
