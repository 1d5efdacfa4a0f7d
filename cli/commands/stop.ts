/** avtomatika-bot stop BOT */

import { callTimeoutMs } from '../client.ts';
import { Command, Option } from '../clipanion.ts';
import type { ExitCode } from '../exit-codes.ts';
import { jobResultJson, renderStopped } from '../render/job.ts';
import { acceptedJob, JobCommand } from './job-command.ts';

export class StopCommand extends JobCommand {
  static override paths = [['stop']];
  static override usage = Command.Usage({
    description: 'Stop a bot for good.',
    details: 'It gets 10 seconds to end by itself. Its log stays readable. Stopping a stopped bot succeeds.',
    examples: [['Stop it', 'avtomatika-bot stop my-bot']],
  });

  bot = Option.String();

  async execute(): Promise<ExitCode> {
    const { signal } = this.context;
    const job = await this.withClient(async (client) => {
      const stopping = await client.bots.stopBot({ botId: this.bot }, { signal, timeoutMs: callTimeoutMs });
      return this.finish(client, acceptedJob(stopping.job));
    });
    const outcome = renderStopped(job, this.outStyle());
    await this.answer(jobResultJson(job), outcome.text);
    return outcome.exitCode;
  }
}
