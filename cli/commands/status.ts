/** avtomatika-bot status BOT */

import { create } from '@bufbuild/protobuf';
import { BotSchema } from '#gen/botrunner/v1/bot_pb.js';
import { BotService } from '#gen/botrunner/v1/bot_service_pb.js';
import { Command, Option } from '../argv/clipanion.ts';
import { callTimeoutMs } from '../calls/client.ts';
import { type ExitCode, exitCodes } from '../failures/exit-codes.ts';
import { botJson, isHealthy, renderBot } from '../render/bots.ts';
import { BotCommand } from './bot-command.ts';

export class StatusCommand extends BotCommand {
  static override paths = [['status']];
  static override usage = Command.Usage({
    description: 'Show everything known about a bot.',
    details:
      'Exit code 0 if nothing is wrong with it, 3 if it crashed, failed, is lost or has written too much, or if its worker is silent.',
    examples: [
      ['How is it?', 'avtomatika-bot status my-bot'],
      ['In a script', 'avtomatika-bot status my-bot --json || echo "something is wrong"'],
    ],
  });

  bot = Option.String();

  async execute(): Promise<ExitCode> {
    const answer = await this.withClient((client) =>
      client.for(BotService).getBot({ botId: this.bot }, { signal: this.context.signal, timeoutMs: callTimeoutMs }),
    );
    const bot = answer.bot ?? create(BotSchema, { botId: this.bot });
    await this.answer({ exists: true, ...botJson(bot) }, renderBot(bot, this.outStyle()));
    return isHealthy(bot) ? exitCodes.done : exitCodes.unhealthy;
  }
}
