/** What commands share whose job has to succeed, in the time that the user gives it. */
import { type Job, JobStatus } from '#gen/botrunner/v1/job_pb.js';
import { JobService } from '#gen/botrunner/v1/job_service_pb.js';
import { Option } from '../argv/clipanion.ts';
import { type Client, callTimeoutMs } from '../calls/client.ts';
import { hasEnded } from '../calls/wait-for-job.ts';
import { CliError, complain, unwrapWords } from '../failures/errors.ts';
import { exitCodes } from '../failures/exit-codes.ts';
import { parseTimeout } from '../options/timeout.ts';
import { withoutShown } from '../render/complaint.ts';
import { complaintOfDetail } from '../wire/refusals.ts';
import { JobCommand } from './job-command.ts';

/** Jobs that leave the bot as it was when they are cancelled. A stop stays wanted. */
const undoable: readonly string[] = ['start', 'update', 'configure', 'restart'];

export abstract class TimedJobCommand extends JobCommand {
  timeout = Option.String('--timeout', {
    description: 'Give up after TIME, such as 90s or 5m. Default: the deadline of the job.',
  });

  /** The value of --timeout, ms; read before anything is sent. Throws CliError. */
  protected timeoutMs(): number | undefined {
    return this.timeout === undefined ? undefined : unwrapWords(parseTimeout(this.timeout));
  }

  /** Waits on a stream and returns the completed job. Throws CliError for a failed one, and the signal's reason. */
  protected async finish(client: Client, job: Job): Promise<Job> {
    const last = await this.#watchInTime(client, job);
    if (last.status === JobStatus.COMPLETED) return last;
    throw failureOf(last, this.shown);
  }

  async #watchInTime(client: Client, job: Job): Promise<Job> {
    const timeoutMs = this.timeoutMs();
    if (timeoutMs === undefined) return this.watch(client, job);
    const { clock, signal } = this.context;
    const ending = new AbortController();
    const cancelTimer = clock.after(timeoutMs, () => ending.abort());
    try {
      return await this.watch(client, job, AbortSignal.any([signal, ending.signal]));
    } catch (error) {
      if (!ending.signal.aborted || signal.aborted) throw error;
      return await this.#giveUp(client, job);
    } finally {
      cancelTimer();
    }
  }

  /** The job if it has ended in the meantime, successfully or not. Throws CliError. */
  async #giveUp(client: Client, job: Job): Promise<Job> {
    const options = { signal: this.context.signal, timeoutMs: callTimeoutMs };
    const cancels = undoable.includes(job.action);
    const jobs = client.for(JobService);
    const { job: last } = await (cancels ? jobs.cancelJob : jobs.getJob)({ jobId: job.jobId }, options);
    if (last !== undefined && hasEnded(last.status) && last.status !== JobStatus.CANCELLED) return last;
    throw complain(
      exitCodes.failed,
      'DEADLINE_EXCEEDED',
      `Job ${job.jobId} did not end within ${this.timeout}${cancels ? ', and was cancelled' : '; it continues'}.`,
      `Check it with: avtomatika-bot job ${job.jobId}`,
    );
  }
}

/** What went wrong, without the output that stands above it already. */
function failureOf(job: Job, shown: readonly string[]): CliError {
  if (job.error !== undefined) {
    const complaint = complaintOfDetail(job.error);
    return new CliError({ ...complaint, botId: job.botId, details: withoutShown(complaint.details, shown) });
  }
  return complain(
    exitCodes.failed,
    job.status === JobStatus.CANCELLED ? 'CANCELLED' : 'INTERNAL',
    `Job ${job.jobId} ${job.status === JobStatus.CANCELLED ? 'was cancelled' : 'failed'} for no known reason.`,
    `Check the bot with: avtomatika-bot status ${job.botId}`,
  );
}
