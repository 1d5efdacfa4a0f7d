/**
 * Waits for a job's end on a stream, through restarts of the orchestrator, until the job's own deadline.
 * Nothing is polled: a new stream is opened only when the old one broke, and it begins with the job's current state.
 */

import { timestampMs } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError } from '@connectrpc/connect';
import { type Clock, sleep } from '#common/clock.ts';
import { type Job, JobStatus } from '#gen/botrunner/v1/job_pb.js';
import { JobService } from '#gen/botrunner/v1/job_service_pb.js';
import type { LogEntry } from '#gen/botrunner/v1/log_pb.js';
import { type CliError, complain } from '../failures/errors.ts';
import { exitCodes } from '../failures/exit-codes.ts';
import { isBrokenStream } from '../wire/refusals.ts';
import { reachAgainMs } from './backoff.ts';
import type { Client } from './client.ts';

export interface JobWatcher {
  /** The job as it is now, on every change and after every new beginning. */
  readonly onJob: (job: Job) => void;
  readonly onBuildOutput: (entries: readonly LogEntry[]) => void;
  /** The stream broke; the next try comes after a pause. */
  readonly onBroken: () => void;
}

export interface WaitContext {
  readonly clock: Clock;
  readonly random: () => number;
  readonly signal: AbortSignal;
}

/** Time after the deadline in which the orchestrator still has to say how the job ended. */
const graceMs = 15_000;
const deadlineDefaultMs = 600_000;

export const hasEnded = (status: JobStatus): boolean =>
  status === JobStatus.COMPLETED || status === JobStatus.FAILED || status === JobStatus.CANCELLED;

export const didFail = ({ status }: Job): boolean => status === JobStatus.FAILED || status === JobStatus.CANCELLED;

/** The job after its final status. Throws the signal's reason, the refusal of the call, or a complaint at the deadline. */
export async function waitForJob(client: Client, job: Job, watcher: JobWatcher, context: WaitContext): Promise<Job> {
  const { clock, random, signal } = context;
  const endMs = clock.monotonicMs() + remainingMs(job) + graceMs;
  let failures = 0;
  for (;;) {
    const leftMs = endMs - clock.monotonicMs();
    let broken: unknown;
    let messages = 0;
    try {
      const updates = client
        .for(JobService)
        .watchJob({ jobId: job.jobId }, { signal, timeoutMs: Math.max(1, Math.ceil(leftMs)) });
      for await (const { update } of updates) {
        // The first message always comes; only a stream that went on from there was a good one.
        if (++messages > 1) failures = 0;
        if (update.case === 'buildOutput') watcher.onBuildOutput(update.value.entries);
        if (update.case !== 'job') continue;
        watcher.onJob(update.value);
        if (hasEnded(update.value.status)) return update.value;
      }
    } catch (error) {
      signal.throwIfAborted();
      if (!isBrokenStream(error)) throw error;
      // Our own bound on the call: the stream was alive to the end.
      if (ConnectError.from(error).code !== Code.DeadlineExceeded) broken = error;
    }
    const pauseMs = reachAgainMs(++failures, random());
    if (endMs - clock.monotonicMs() <= pauseMs) throw tooLate(job, broken);
    watcher.onBroken();
    await sleep(clock, pauseMs, signal);
  }
}

/** By the orchestrator's clock alone: ours may be wrong. */
function remainingMs({ deadlineAt, updatedAt, createdAt }: Job): number {
  const seenAt = updatedAt ?? createdAt;
  if (deadlineAt === undefined || seenAt === undefined) return deadlineDefaultMs;
  return Math.max(0, timestampMs(deadlineAt) - timestampMs(seenAt));
}

function tooLate(job: Job, broken: unknown): CliError {
  const look = `Check it with: avtomatika-bot job ${job.jobId}`;
  return broken === undefined
    ? complain(exitCodes.failed, 'DEADLINE_EXCEEDED', `Job ${job.jobId} did not end before its deadline.`, look)
    : complain(exitCodes.unreachable, 'UNREACHABLE', `The connection was lost; job ${job.jobId} continues.`, look);
}
