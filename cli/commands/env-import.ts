/** avtomatika-bot env import BOT FILE */
import { resolve } from 'node:path';
import { refuse, unwrap } from '#common/problem.ts';
import { Command, Option } from '../argv/clipanion.ts';
import { complain } from '../failures/errors.ts';
import { type ExitCode, exitCodes } from '../failures/exit-codes.ts';
import { parseEnvFile } from '../options/env-file.ts';
import { readPiped } from '../options/stdin.ts';
import { textFileMaxBytes } from '../text/file-limits.ts';
import { readTextFile } from '../text/read-text.ts';
import { ConfiguringCommand } from './configuring-command.ts';

export class EnvImportCommand extends ConfiguringCommand {
  static override paths = [['env', 'import']];
  static override usage = Command.Usage({
    description: 'Set environment variables of a bot from a file; no source needed.',
    details:
      'The file has NAME=VALUE lines, as --env-file of start takes them; - is the standard input. Variables that it does ' +
      'not name stay, unless --replace is given. The rest is as with env set.',
    examples: [
      ['From a file', 'avtomatika-bot env import my-bot .env'],
      ['From the standard input, as the whole environment', 'avtomatika-bot env import my-bot - --replace < bot.env'],
    ],
  });

  bot = Option.String();
  file = Option.String();
  replace = Option.Boolean('--replace', false, { description: 'Remove the variables that the file does not name.' });
  takeover = Option.Boolean('--takeover', false, {
    description: 'Take the Telegram token over from the bot that has it.',
  });
  noWait = Option.Boolean('--no-wait', false, { description: 'Do not wait for the bot to start.' });

  async execute(): Promise<ExitCode> {
    const name = this.file === '-' ? 'the standard input' : this.file;
    const pairs = unwrap(parseEnvFile(await this.text(), name));
    if (pairs.some(([key]) => key === '__proto__')) refuse('INVALID_ENV_VARS', 'A variable cannot be named __proto__.');
    // With --replace, too: values cannot be read back, and a file that came out empty is not meant.
    if (pairs.length === 0) {
      const hint = 'Write one NAME=VALUE a line; env unset removes variables.';
      throw complain(exitCodes.failed, 'INVALID_ENV_VARS', `There is no variable in ${name}.`, hint);
    }
    const env = Object.fromEntries(pairs);
    return this.configure({ botId: this.bot, env, replaceEnv: this.replace, takeover: this.takeover }, this.noWait);
  }

  private text(): Promise<string> {
    const { cwd, signal } = this.context;
    if (this.file !== '-') return readTextFile(resolve(cwd, this.file), this.file, textFileMaxBytes, signal);
    const example = `avtomatika-bot env import ${this.bot} - < .env`;
    return readPiped(this.context, 'the variables', example, textFileMaxBytes);
  }
}
