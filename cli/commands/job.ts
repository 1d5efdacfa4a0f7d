/** avtomatika-bot job JOB */
import { JobService } from '#gen/botrunner/v1/job_service_pb.js';
import { Command, Option } from '../argv/clipanion.ts';
import { callTimeoutMs } from '../calls/client.ts';
import { acceptedJob } from '../calls/submit.ts';
import { didFail } from '../calls/wait-for-job.ts';
import { type ExitCode, exitCodes } from '../failures/exit-codes.ts';
import { jobJson, renderJob } from '../render/job-panel.ts';
import { BotCommand } from './bot-command.ts';

export class JobStatusCommand extends BotCommand {
  static override paths = [['job']];
  static override usage = Command.Usage({
    description: 'Show the state or result of a job.',
    details:
      'Every start, update, restart, stop and delete is a job. Its id is shown when a command does not wait for ' +
      'it to finish. Exit code 1 if the job failed or was cancelled.',
    examples: [
      ['How far along is it?', 'avtomatika-bot job 01JD0000000000000000000000'],
      ['Its error, for scripts', 'avtomatika-bot job 01JD0000000000000000000000 --json | jq .data.error'],
    ],
  });

  job = Option.String();

  async execute(): Promise<ExitCode> {
    const answer = await this.withClient((client) =>
      client.for(JobService).getJob({ jobId: this.job }, { signal: this.context.signal, timeoutMs: callTimeoutMs }),
    );
    const job = acceptedJob(answer.job);
    await this.answer(jobJson(job), renderJob(job, this.outStyle(), this.verbose));
    return didFail(job) ? exitCodes.failed : exitCodes.done;
  }
}
