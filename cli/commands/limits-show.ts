/** avtomatika-bot limits show BOT */
import { Command, Option } from '../argv/clipanion.ts';
import type { ExitCode } from '../failures/exit-codes.ts';
import { exitCodes } from '../failures/exit-codes.ts';
import { limitsJson, renderLimits } from '../render/config.ts';
import { ConfigCommand } from './config-command.ts';

export class LimitsShowCommand extends ConfigCommand {
  static override paths = [['limits', 'show']];
  static override usage = Command.Usage({
    description: 'Show the limits of a bot.',
    details: 'Those that were never set are the defaults of its worker.',
    examples: [['What may it use?', 'avtomatika-bot limits show my-bot']],
  });

  bot = Option.String();

  async execute(): Promise<ExitCode> {
    const config = await this.config(this.bot);
    await this.answer(limitsJson(this.bot, config), renderLimits(this.bot, config));
    return exitCodes.done;
  }
}
