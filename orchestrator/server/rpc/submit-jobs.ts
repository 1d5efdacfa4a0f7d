/** JobService.SubmitJobs: jobs over one stream. See proto/botrunner/v1/job_service.proto. */
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { problemToProto } from '#common/problem-proto.ts';
import { type SubmitJobsRequest, SubmitJobsResponseSchema } from '#gen/botrunner/v1/job_service_pb.js';
import { submitAll } from '../../requests/job-stream.ts';
import type { SubmitDeps } from '../../requests/submit.ts';
import { toProblem } from '../failures.ts';
import { readIdempotency } from '../idempotency.ts';
import type { CallDeps } from './call.ts';
import { encodeFrame } from './frames.ts';
import type { OwnStream } from './own-stream.ts';

type Answer = MessageInitShape<typeof SubmitJobsResponseSchema>;

export const submitJobs = (
  deps: CallDeps & SubmitDeps,
  userId: string,
  requests: AsyncIterable<readonly SubmitJobsRequest[]>,
  { binary, write }: OwnStream,
): Promise<void> =>
  submitAll<SubmitJobsRequest, Answer>(deps, {
    requests,
    userId,
    read: ({ blueprint, data, idempotencyKey }) => ({
      blueprint,
      data,
      // As the header of CreateJob: without a key nothing is compared.
      idempotency: readIdempotency(idempotencyKey === '' ? undefined : idempotencyKey, { blueprint, data }),
    }),
    accepted: ({ number }, { jobId }) => ({ number, outcome: { case: 'jobId', value: jobId } }),
    refused: ({ number }, error) => ({
      number,
      outcome: { case: 'refused', value: problemToProto(toProblem(error, deps.logger)) },
    }),
    send: (answers) => write(Buffer.concat(answers.map((answer) => frameOf(answer, binary)))),
  });

const frameOf = (answer: Answer, binary: boolean): Uint8Array =>
  encodeFrame(SubmitJobsResponseSchema, create(SubmitJobsResponseSchema, answer), binary);
