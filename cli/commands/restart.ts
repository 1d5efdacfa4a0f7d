/** avtomatika-bot restart BOT */
import type { CallOptions } from '@connectrpc/connect';
import { BotService } from '#gen/botrunner/v1/bot_service_pb.js';
import { Command } from '../argv/clipanion.ts';
import type { Client } from '../calls/client.ts';
import type { ExitCode } from '../failures/exit-codes.ts';
import { renderStarted } from '../render/job.ts';
import { BotsCommand } from './bots-command.ts';

export class RestartCommand extends BotsCommand {
  static override paths = [['restart']];
  static override usage = Command.Usage({
    description: 'Restart a bot as it is; no source needed.',
    details:
      'The bot is stopped and started again in the same container: files it wrote there are kept, and nothing is ' +
      'built or pulled. A stopped bot is started from the image it already has.',
    examples: [
      ['Run it again', 'avtomatika-bot restart my-bot'],
      ['Several', 'avtomatika-bot restart my-bot other-bot'],
    ],
  });

  protected send(client: Client, botId: string, options: CallOptions) {
    return client.for(BotService).restartBot({ botId }, options);
  }

  protected readonly render = renderStarted;

  execute(): Promise<ExitCode> {
    return this.forEachBot();
  }
}
