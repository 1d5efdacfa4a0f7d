/** avtomatika-bot env list BOT */
import { Command, Option } from '../argv/clipanion.ts';
import type { ExitCode } from '../failures/exit-codes.ts';
import { exitCodes } from '../failures/exit-codes.ts';
import { envJson, renderEnv } from '../render/config.ts';
import { ConfigCommand } from './config-command.ts';

export class EnvListCommand extends ConfigCommand {
  static override paths = [
    ['env', 'list'],
    ['env', 'ls'],
  ];
  static override usage = Command.Usage({
    description: 'List the environment variables of a bot, without their values.',
    details:
      'Shows when each was set and by which job; "unknown" stands for variables that an earlier release has set. Values are ' +
      'never shown: they are sealed, and only the bot gets them.',
    examples: [
      ['What does it have?', 'avtomatika-bot env list my-bot'],
      ['The names', `avtomatika-bot env list my-bot --json | jq -r '.env[].name'`],
    ],
  });

  bot = Option.String();

  async execute(): Promise<ExitCode> {
    const config = await this.config(this.bot);
    await this.answer(envJson(this.bot, config), renderEnv(this.bot, config));
    return exitCodes.done;
  }
}
