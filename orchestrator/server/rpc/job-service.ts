/** JobService: see proto/botrunner/v1/job_service.proto. */
import { create } from '@bufbuild/protobuf';
import type { ServiceImpl } from '@connectrpc/connect';
import type { JobService, WatchJobResponse } from '#gen/botrunner/v1/job_service_pb.js';
import { WatchJobResponseSchema } from '#gen/botrunner/v1/job_service_pb.js';
import { isFinal, type JobRecord } from '../../core/records.ts';
import type { BuildOutputHub } from '../../events/build-output.ts';
import type { Hub } from '../../events/hub.ts';
import { type AcceptDeps, acceptJob } from '../../requests/accept.ts';
import { jobToProto } from '../../views/proto.ts';
import { readIdempotency } from '../idempotency.ts';
import { type CallDeps, call, stream } from './call.ts';

export interface JobServiceDeps extends CallDeps, AcceptDeps {
  readonly jobs: Hub<JobRecord>;
  readonly buildOutput: BuildOutputHub;
}

const jobUpdate = (job: JobRecord): WatchJobResponse =>
  create(WatchJobResponseSchema, { update: { case: 'job', value: jobToProto(job) } });

/** The job now, then its changes and its build output, until it is final. */
async function* watchJob(
  deps: JobServiceDeps,
  userId: string,
  jobId: string,
  signal: AbortSignal,
): AsyncGenerator<WatchJobResponse> {
  const watching = new AbortController();
  const both = AbortSignal.any([signal, watching.signal]);
  // Subscribed before the job is read, so that no change falls in between.
  const changes = deps.jobs.subscribe(jobId, both);
  const output = deps.buildOutput.watch(jobId, both);
  try {
    const job = deps.engine.getJob(userId, jobId);
    yield jobUpdate(job);
    if (output.soFar.length > 0) yield outputUpdate(output.soFar);
    if (isFinal(job.status)) return;
    yield* merge(changes, output.live, watching);
  } finally {
    watching.abort();
  }
}

const outputUpdate = (entries: WatchOutput): WatchJobResponse =>
  create(WatchJobResponseSchema, { update: { case: 'buildOutput', value: { entries: [...entries] } } });

type WatchOutput = Parameters<BuildOutputHub['add']>[1];

/** Both streams in the order they come; ends after the final job. */
async function* merge(
  changes: AsyncIterable<JobRecord>,
  output: AsyncIterable<WatchOutput>,
  watching: AbortController,
): AsyncGenerator<WatchJobResponse> {
  const jobs = changes[Symbol.asyncIterator]();
  const lines = output[Symbol.asyncIterator]();
  let nextJob = jobs.next().then((value) => ({ from: 'job' as const, value }));
  let nextLines = lines.next().then((value) => ({ from: 'output' as const, value }));
  for (;;) {
    // Lines first: those that came before the end of the build belong before it.
    const ready = await Promise.race([nextLines, nextJob]);
    if (ready.from === 'output') {
      if (ready.value.done) return;
      yield outputUpdate(ready.value.value);
      nextLines = lines.next().then((value) => ({ from: 'output' as const, value }));
      continue;
    }
    if (ready.value.done) return;
    const job = ready.value.value;
    yield jobUpdate(job);
    if (isFinal(job.status)) {
      watching.abort();
      return;
    }
    nextJob = jobs.next().then((value) => ({ from: 'job' as const, value }));
  }
}

export function createJobService(deps: JobServiceDeps): ServiceImpl<typeof JobService> {
  return {
    createJob: call(deps, 'client', async ({ blueprint, data }, { userId }, context) => {
      const idempotency = readIdempotency(context.requestHeader.get('idempotency-key'), { blueprint, data });
      const job = await acceptJob(deps, userId, blueprint, data, idempotency);
      return { job: jobToProto(job) };
    }),
    getJob: call(deps, 'client', ({ jobId }, { userId }) => ({ job: jobToProto(deps.engine.getJob(userId, jobId)) })),
    watchJob: stream(deps, 'client', ({ jobId }, { userId }, context) => watchJob(deps, userId, jobId, context.signal)),
    cancelJob: call(deps, 'client', async ({ jobId }, { userId }) => ({
      job: jobToProto(await deps.engine.cancelJob(userId, jobId)),
    })),
  };
}
