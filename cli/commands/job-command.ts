/** What commands share that start a job and wait for its end. */
import type { Job } from '#gen/botrunner/v1/job_pb.js';
import type { LogEntry } from '#gen/botrunner/v1/log_pb.js';
import type { Client } from '../calls/client.ts';
import { hasEnded, waitForJob } from '../calls/wait-for-job.ts';
import { type ExitCode, exitCodes } from '../failures/exit-codes.ts';
import { createJsonProgress } from '../progress/json-progress.ts';
import type { Progress } from '../progress/progress.ts';
import { TextProgress } from '../progress/text-progress.ts';
import { jobResultJson, type RenderedJob } from '../render/job.ts';
import type { Style } from '../render/style.ts';
import { BotCommand } from './bot-command.ts';

/** Errors bring fewer lines than this. */
const shownMax = 500;

export abstract class JobCommand extends BotCommand {
  #progress: Progress | undefined;
  /** The end of the build output that has been shown. */
  protected shown: readonly string[] = [];

  /** Written to stderr; created on first use. */
  protected progress(): Progress {
    const { stderr, clock, terminal } = this.context;
    this.#progress ??= this.json
      ? createJsonProgress(stderr)
      : new TextProgress(stderr, this.errStyle(), clock, terminal.columns);
    return this.#progress;
  }

  /** Waits on a stream and returns the job after its end, whichever that was. */
  protected async watch(client: Client, job: Job, end: AbortSignal = this.context.signal): Promise<Job> {
    if (hasEnded(job.status)) return job;
    const progress = this.progress();
    const { signal } = this.context;
    try {
      progress.job(job);
      const watcher = {
        onJob: (now: Job) => progress.job(now),
        onBuildOutput: (entries: readonly LogEntry[]) => {
          progress.buildOutput(entries);
          if (!this.json) this.shown = [...this.shown, ...entries.map(({ text }) => text)].slice(-shownMax);
        },
        onBroken: () => progress.reconnecting(),
      };
      return await waitForJob(client, job, watcher, { ...this.context, signal: end });
    } catch (error) {
      if (signal.aborted) {
        progress.end();
        progress.note(`Job ${job.jobId} continues. Check it with: avtomatika-bot job ${job.jobId}`);
        progress.note(`Cancel it with: avtomatika-bot cancel ${job.jobId}`);
      }
      throw error;
    } finally {
      progress.end();
    }
  }

  /** Prints how the job ended. */
  protected async tellEnd(job: Job, render: (job: Job, style: Style) => RenderedJob): Promise<ExitCode> {
    const { exitCode, text } = render(job, this.outStyle());
    await this.answer(jobResultJson(job), text);
    return exitCode;
  }

  /** Prints that the job was accepted, for those who do not wait. */
  protected async tellAccepted(job: Job): Promise<ExitCode> {
    const text = `Job ${job.jobId} was accepted. Check it with: avtomatika-bot job ${job.jobId}`;
    await this.answer(jobResultJson(job), text);
    return exitCodes.done;
  }
}
