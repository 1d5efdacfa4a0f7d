/** avtomatika-bot env set BOT NAME=VALUE... */
import { refuse } from '#common/problem.ts';
import { Command, Option } from '../argv/clipanion.ts';
import { complain, unwrapWords } from '../failures/errors.ts';
import { type ExitCode, exitCodes } from '../failures/exit-codes.ts';
import { type EnvPair, parseEnvVars } from '../options/env-vars.ts';
import { readPiped } from '../options/stdin.ts';
import { ConfiguringCommand } from './configuring-command.ts';

const style = {
  word: 'Word',
  hint: 'Write NAME=VALUE, for example: avtomatika-bot env set my-bot LOG_LEVEL=debug',
};

export class EnvSetCommand extends ConfiguringCommand {
  static override paths = [['env', 'set']];
  static override usage = Command.Usage({
    description: 'Set environment variables of a bot; no source needed.',
    details: [
      'The image that the bot has is started again with the new values; nothing is built. All changes of one command ' +
        'take one stop and one start. What the bot wrote outside /data and its volumes is lost, as with an update. If it ' +
        'ends with an error right after that, it gets back what it had. A bot that does not run is not started: it gets ' +
        'the values at its next restart. If it has exactly these values already, it is not restarted.',
      'NAME=- reads the value from the standard input, without the last line break: other users of this machine can see ' +
        'words of a command in ps.',
    ].join('\n\n'),
    examples: [
      ['Two at once', 'avtomatika-bot env set my-bot LOG_LEVEL=debug ADMIN_ID=42'],
      ['A secret', 'avtomatika-bot env set my-bot BOT_TOKEN=- < token.txt'],
    ],
  });

  bot = Option.String();
  pairs = Option.Rest({ name: 'NAME=VALUE', required: 1 });
  takeover = Option.Boolean('--takeover', false, {
    description: 'Take the Telegram token over from the bot that has it.',
  });
  noWait = Option.Boolean('--no-wait', false, { description: 'Do not wait for the bot to start.' });

  async execute(): Promise<ExitCode> {
    const env = await this.values(unwrapWords(parseEnvVars(this.pairs, style)));
    return this.configure({ botId: this.bot, env, takeover: this.takeover }, this.noWait);
  }

  private async values(pairs: readonly EnvPair[]): Promise<Record<string, string>> {
    const piped = pairs.filter(([, value]) => value === '-');
    if (piped.length > 1) {
      const names = piped.map(([name]) => `${name}=-`).join(' and ');
      const hint = 'Read the others from a file: avtomatika-bot env import BOT FILE';
      throw complain(exitCodes.usage, 'USAGE', `${names} cannot all be read from the standard input.`, hint);
    }
    // As a key of the message it would be lost without a word.
    if (pairs.some(([name]) => name === '__proto__'))
      refuse('INVALID_ENV_VARS', 'A variable cannot be named __proto__.');
    const values = Object.fromEntries(pairs);
    const [name] = piped[0] ?? [];
    // One that is given again later has that value.
    if (name !== undefined && values[name] === '-') {
      const example = `avtomatika-bot env set ${this.bot} ${name}=- < value.txt`;
      const value = (await readPiped(this.context, 'the value', example)).replace(/\r?\n$/, '');
      // A command before the pipe that failed, most likely.
      if (value === '') {
        const hint = `Pipe the value in; ${name}= alone sets an empty one.`;
        throw complain(exitCodes.failed, 'NO_INPUT', `The standard input holds no value for ${name}.`, hint);
      }
      values[name] = value;
    }
    return values;
  }
}
