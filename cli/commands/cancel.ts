/** avtomatika-bot cancel JOB */
import { JobService } from '#gen/botrunner/v1/job_service_pb.js';
import { callTimeoutMs } from '../client.ts';
import { Command, Option } from '../clipanion.ts';
import type { ExitCode } from '../exit-codes.ts';
import { jobJson, renderCancelled } from '../render/job-panel.ts';
import { acceptedJob } from '../submit.ts';
import { JobCommand } from './job-command.ts';

export class CancelCommand extends JobCommand {
  static override paths = [['cancel']];
  static override usage = Command.Usage({
    description: 'End a job early.',
    details:
      'A start that is cancelled leaves nothing behind, an update leaves the old bot running. A job that has ended stays as ' +
      'it is: exit code 1 unless it was cancelled before.',
    examples: [['Give up a build', 'avtomatika-bot cancel 01JD0000000000000000000000']],
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
