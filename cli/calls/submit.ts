/** Sends a request that starts a job, once, whatever the network does. */
import { type CallOptions, Code, ConnectError } from '@connectrpc/connect';
import { sleep } from '#common/clock.ts';
import type { Job } from '#gen/botrunner/v1/job_pb.js';
import { complain } from '../failures/errors.ts';
import { exitCodes } from '../failures/exit-codes.ts';
import { detailOf } from '../wire/refusals.ts';
import { reachAgainMs } from './backoff.ts';
import { callTimeoutMs } from './client.ts';
import type { CliContext } from './context.ts';

const triesMax = 4;

/** With one key for all tries, so that a repeat after a broken connection cannot do it twice. Returns the accepted job. */
export async function submit(
  { clock, random, signal, newIdempotencyKey }: CliContext,
  send: (options: CallOptions) => Promise<{ readonly job?: Job | undefined }>,
): Promise<Job> {
  const headers = { 'Idempotency-Key': newIdempotencyKey() };
  for (let failures = 0; ; failures++) {
    try {
      const answer = await send({ headers, signal, timeoutMs: callTimeoutMs });
      return acceptedJob(answer.job);
    } catch (error) {
      if (failures + 1 >= triesMax || !isLostConnection(error)) throw error;
    }
    await sleep(clock, reachAgainMs(failures + 1, random()), signal);
  }
}

/** The job of an answer; absent only from a server that breaks its contract. */
export function acceptedJob(job: Job | undefined): Job {
  if (job !== undefined) return job;
  throw complain(
    exitCodes.failed,
    'INTERNAL',
    'The orchestrator answered without a job.',
    'Report this to its operator.',
  );
}

/** The call may or may not have arrived. A refusal with our detail has been answered and is not repeated. */
const isLostConnection = (error: unknown): boolean =>
  error instanceof ConnectError &&
  detailOf(error) === undefined &&
  (error.code === Code.Unavailable || error.code === Code.Aborted);
