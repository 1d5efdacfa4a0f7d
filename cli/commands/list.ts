/** avtomatika-bot list */

import { BotService } from '#gen/botrunner/v1/bot_service_pb.js';
import { Command } from '../argv/clipanion.ts';
import { callTimeoutMs } from '../calls/client.ts';
import { type ExitCode, exitCodes } from '../failures/exit-codes.ts';
import { botJson, renderBots } from '../render/bots.ts';
import { BotCommand } from './bot-command.ts';

export class ListCommand extends BotCommand {
  static override paths = [['list'], ['ls'], ['ps']];
  static override usage = Command.Usage({
    description: 'List your bots.',
    examples: [
      ['All bots, on all workers', 'avtomatika-bot list'],
      [
        'The names of the running ones',
        `avtomatika-bot list --json | jq -r '.bots[] | select(.status=="running").bot_id'`,
      ],
    ],
  });

  async execute(): Promise<ExitCode> {
    const answer = await this.withClient((client) =>
      client.for(BotService).listBots({}, { signal: this.context.signal, timeoutMs: callTimeoutMs }),
    );
    const json = { bots: answer.bots.map(botJson), count: answer.count, max_bots: answer.maxBots };
    await this.answer(json, renderBots(answer, this.outStyle()));
    return exitCodes.done;
  }
}
