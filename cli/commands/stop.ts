/** avtomatika-bot stop BOT */
import type { CallOptions } from '@connectrpc/connect';
import { BotService } from '#gen/botrunner/v1/bot_service_pb.js';
import type { Client } from '../client.ts';
import { Command } from '../clipanion.ts';
import type { ExitCode } from '../exit-codes.ts';
import { renderStopped } from '../render/job.ts';
import { BotsCommand } from './bots-command.ts';

export class StopCommand extends BotsCommand {
  static override paths = [['stop']];
  static override usage = Command.Usage({
    description: 'Stop a bot for good.',
    details: [
      'It gets 10 seconds to end by itself. Its log stays readable. Stopping a stopped bot succeeds.',
      'When its worker is silent the stop is done as a decision, and carried out when that is back.',
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
