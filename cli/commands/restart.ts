/** avtomatika-bot restart BOT */
import { Command, Option } from '../clipanion.ts';
import type { ExitCode } from '../exit-codes.ts';
import { renderStarted } from '../render/job.ts';
import { submit } from '../submit.ts';
import { JobCommand } from './job-command.ts';

export class RestartCommand extends JobCommand {
  static override paths = [['restart']];
  static override usage = Command.Usage({
    description: 'Run a bot again as it is, without its source.',
    details: 'What was deployed last runs in a new container, with the same environment. A stopped bot is started.',
    examples: [['Run it again', 'avtomatika-bot restart my-bot']],
  });

  bot = Option.String();

  async execute(): Promise<ExitCode> {
    return this.withClient(async (client) => {
      const job = await submit(this.context, (options) => client.bots.restartBot({ botId: this.bot }, options));
      return this.tellEnd(await this.finish(client, job), renderStarted);
    });
  }
}
