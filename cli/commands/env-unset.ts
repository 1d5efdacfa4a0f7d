/** avtomatika-bot env unset BOT NAME... */
import { Command, Option } from '../argv/clipanion.ts';
import { complain, unwrapWords } from '../failures/errors.ts';
import { type ExitCode, exitCodes } from '../failures/exit-codes.ts';
import { parseEnvVars } from '../options/env-vars.ts';
import { ConfiguringCommand } from './configuring-command.ts';

const style = { word: 'Word', hint: 'Write names alone, for example: avtomatika-bot env unset my-bot OLD_NAME' };

export class EnvUnsetCommand extends ConfiguringCommand {
  static override paths = [['env', 'unset']];
  static override usage = Command.Usage({
    description: 'Remove environment variables of a bot; no source needed.',
    details:
      'As env set, with one stop and one start for all of them. If the bot does not have one of them, nothing is changed ' +
      'and the command ends with 1.',
    examples: [['Two at once', 'avtomatika-bot env unset my-bot OLD_NAME DEBUG']],
  });

  bot = Option.String();
  names = Option.Rest({ name: 'NAME', required: 1 });
  noWait = Option.Boolean('--no-wait', false, { description: 'Do not wait for the bot to start.' });

  async execute(): Promise<ExitCode> {
    if (this.names.some((name) => name.includes('='))) {
      throw complain(exitCodes.usage, 'INVALID_ENV_VARS', 'env unset takes names without values.', style.hint);
    }
    unwrapWords(
      parseEnvVars(
        this.names.map((name) => `${name}=`),
        style,
      ),
    );
    return this.configure({ botId: this.bot, reset: { env: [...new Set(this.names)] } }, this.noWait);
  }
}
