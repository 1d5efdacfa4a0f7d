/** avtomatika-bot cancel JOB */
import { JobService } from '#gen/botrunner/v1/job_service_pb.js';
import { Command, Option } from '../argv/clipanion.ts';
import { callTimeoutMs } from '../calls/client.ts';
import { acceptedJob } from '../calls/submit.ts';
import type { ExitCode } from '../failures/exit-codes.ts';
import { jobJson, renderCancelled } from '../render/job-panel.ts';
import { JobCommand } from './job-command.ts';

export class CancelCommand extends JobCommand {
  static override paths = [['cancel']];
  static override usage = Command.Usage({
    description: 'Cancel a job.',
    details:
      'After a cancelled start nothing runs, and a new bot is listed as stopped; a cancelled update leaves the old ' +
      'version running. A job that has already ended is not changed: exit code 1, unless it had been cancelled before.',
    examples: [['Abandon a build', 'avtomatika-bot cancel 01JD0000000000000000000000']],
  });

  job = Option.String();

  async execute(): Promise<ExitCode> {
    const { signal } = this.context;
    return this.withClient(async (client) => {
      const answer = await client.for(JobService).cancelJob({ jobId: this.job }, { signal, timeoutMs: callTimeoutMs });
      const ended = await this.watch(client, acceptedJob(answer.job));
      const { exitCode, text } = renderCancelled(ended, this.outStyle());
      await this.answer(jobJson(ended), text);
      return exitCode;
    });
  }
}
