/** JobService.SubmitJobs: jobs over one stream. See proto/botrunner/v1/job_service.proto. */
import { create } from '@bufbuild/protobuf';
import { problemToProto } from '#common/problem-proto.ts';
import {
  JobService,
  type SubmitJobsRequest,
  type SubmitJobsResponse,
  SubmitJobsResponseSchema,
} from '#gen/botrunner/v1/job_service_pb.js';
import { answersOf } from '../../requests/job-stream.ts';
import type { SubmitDeps } from '../../requests/submit.ts';
import { toProblem } from '../failures.ts';
import { readIdempotency } from '../idempotency.ts';
import type { CallDeps } from './call.ts';
import { explained } from './request-body.ts';

export async function* submitJobs(
  deps: CallDeps & SubmitDeps,
  userId: string,
  requests: AsyncIterable<SubmitJobsRequest>,
): AsyncGenerator<SubmitJobsResponse> {
  try {
    yield* answers(deps, userId, requests);
  } catch (error) {
    // A message that cannot be decoded is the caller's mistake.
    throw explained(error, { method: JobService.method.submitJobs, messageMaxBytes: 0, boundValues: true });
  }
}

const answers = (
  deps: CallDeps & SubmitDeps,
  userId: string,
  requests: AsyncIterable<SubmitJobsRequest>,
): AsyncGenerator<SubmitJobsResponse> =>
  answersOf<SubmitJobsRequest, SubmitJobsResponse>(deps, {
    requests,
    userId,
    read: ({ blueprint, data, idempotencyKey }) => ({
      blueprint,
      data,
      // As the header of CreateJob: without a key nothing is compared.
      idempotency: readIdempotency(idempotencyKey === '' ? undefined : idempotencyKey, { blueprint, data }),
    }),
    accepted: ({ number }, { jobId }) =>
      create(SubmitJobsResponseSchema, { number, outcome: { case: 'jobId', value: jobId } }),
    refused: ({ number }, error) =>
      create(SubmitJobsResponseSchema, {
        number,
        outcome: { case: 'refused', value: problemToProto(toProblem(error, deps.logger)) },
      }),
  });
