/** JobService: see proto/botrunner/v1/job_service.proto. */
import type { ServiceImpl } from '@connectrpc/connect';
import type { JobService } from '#gen/botrunner/v1/job_service_pb.js';
import { type SubmitDeps, submitJob } from '../../requests/submit.ts';
import { jobToProto } from '../../views/proto.ts';
import { readIdempotency } from '../idempotency.ts';
import { type CallDeps, call } from './call.ts';
import { ownDuplex, ownStream } from './own-stream.ts';
import { submitJobs } from './submit-jobs.ts';
import { createWatchJob, type WatchJobDeps } from './watch-job.ts';

export type JobServiceDeps = CallDeps & SubmitDeps & WatchJobDeps;

export function createJobService(deps: JobServiceDeps): ServiceImpl<typeof JobService> {
  const watchJob = createWatchJob(deps);
  return {
    createJob: call(deps, 'client', async ({ blueprint, data }, { userId }, context) => {
      const idempotency = readIdempotency(context.requestHeader.get('idempotency-key'), { blueprint, data });
      const job = await submitJob(deps, userId, { blueprint, data, idempotency });
      return { job: jobToProto(job) };
    }),
    submitJobs: ownDuplex(deps, 'client', (requests, { userId }, out) => submitJobs(deps, userId, requests, out)),
    getJob: call(deps, 'client', async ({ jobId }, { userId }) => ({
      job: jobToProto(await deps.engine.getJob(userId, jobId)),
    })),
    watchJob: ownStream(deps, 'client', (request, { userId }, stream) => watchJob(userId, request, stream)),
    cancelJob: call(deps, 'client', async ({ jobId }, { userId }) => ({
      job: jobToProto(await deps.engine.cancelJob(userId, jobId)),
    })),
  };
}
