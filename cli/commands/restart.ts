/** avtomatika-bot restart BOT */
import { BotService } from '#gen/botrunner/v1/bot_service_pb.js';
import { Command, Option } from '../command.ts';
import type { ExitCode } from '../exit-codes.ts';
import { renderStarted } from '../render/job.ts';
import { submit } from '../submit.ts';
import { JobCommand } from './job-command.ts';

export class RestartCommand extends JobCommand {
  static override paths = [['restart']];
  static override usage = Command.Usage({
    description: 'Run a bot again as it is, without its source.',
    details:
      'The bot is stopped and started again in the same container: what it wrote beside itself stays, and nothing is ' +
      'built or pulled. A stopped bot is started from the image that is there.',
    examples: [['Run it again', 'avtomatika-bot restart my-bot']],
  });

  bot = Option.String();

  async execute(): Promise<ExitCode> {
    return this.withClient(async (client) => {
      const job = await submit(this.context, (options) =>
        client.for(BotService).restartBot({ botId: this.bot }, options),
      );
      return this.tellEnd(await this.finish(client, job), renderStarted);
    });
  }
}
