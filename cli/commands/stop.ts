/** avtomatika-bot stop BOT */
import { BotService } from '#gen/botrunner/v1/bot_service_pb.js';
import { Command, Option } from '../command.ts';
import type { ExitCode } from '../exit-codes.ts';
import { renderStopped } from '../render/job.ts';
import { submit } from '../submit.ts';
import { JobCommand } from './job-command.ts';

export class StopCommand extends JobCommand {
  static override paths = [['stop']];
  static override usage = Command.Usage({
    description: 'Stop a bot for good.',
    details: [
      'It gets 10 seconds to end by itself. Its log stays readable. Stopping a stopped bot succeeds.',
      'When its worker is silent the stop is done as a decision, and carried out when that is back.',
    ].join('\n\n'),
    examples: [['Stop it', 'avtomatika-bot stop my-bot']],
  });

  bot = Option.String();

  async execute(): Promise<ExitCode> {
    return this.withClient(async (client) => {
      const job = await submit(this.context, (options) => client.for(BotService).stopBot({ botId: this.bot }, options));
      return this.tellEnd(await this.finish(client, job), renderStopped);
    });
  }
}
