/** avtomatika-bot stop BOT */
import type { CallOptions } from '@connectrpc/connect';
import { BotService } from '#gen/botrunner/v1/bot_service_pb.js';
import { Command } from '../argv/clipanion.ts';
import type { Client } from '../calls/client.ts';
import type { ExitCode } from '../failures/exit-codes.ts';
import { renderStopped } from '../render/job.ts';
import { BotsCommand } from './bots-command.ts';

export class StopCommand extends BotsCommand {
  static override paths = [['stop']];
  static override usage = Command.Usage({
    description: 'Stop a bot and keep it stopped.',
    details: [
      'The bot gets 10 seconds to shut down. Its log stays readable. Stopping a stopped bot succeeds.',
      'If its worker is silent, the stop is recorded at once and carried out when the worker is back.',
    ].join('\n\n'),
    examples: [
      ['Stop it', 'avtomatika-bot stop my-bot'],
      ['Several', 'avtomatika-bot stop my-bot other-bot third-bot'],
    ],
  });

  protected send(client: Client, botId: string, options: CallOptions) {
    return client.for(BotService).stopBot({ botId }, options);
  }

  protected readonly render = renderStopped;

  execute(): Promise<ExitCode> {
    return this.forEachBot();
  }
}
