/** avtomatika-bot limits set BOT */
import { Command, Option } from '../argv/clipanion.ts';
import { complain } from '../failures/errors.ts';
import { type ExitCode, exitCodes } from '../failures/exit-codes.ts';
import { limitsReset, parseLimitOptions } from '../options/limits.ts';
import { LimitsCommand } from './limits-command.ts';

export class LimitsSetCommand extends LimitsCommand {
  static override paths = [['limits', 'set']];
  static override usage = Command.Usage({
    description: 'Change the limits of a bot; no source needed.',
    details:
      'Limits that you do not name stay as they are. The image that the bot has is started again with the new limits; ' +
      'nothing is built. A bot that does not run is not started: it gets them at its next restart. A worker that runs bots ' +
      'as plain processes keeps to none of them but --stop-grace and --stop-signal, and says so.',
    examples: [
      ['More memory', 'avtomatika-bot limits set my-bot --memory 512m'],
      [
        'Time to save its work, and Ctrl-C to begin with',
        'avtomatika-bot limits set my-bot --stop-grace 30s --stop-signal SIGINT',
      ],
      ['Back to the default', 'avtomatika-bot limits set my-bot --cpus default'],
    ],
  });

  bot = Option.String();
  noWait = Option.Boolean('--no-wait', false, { description: 'Do not wait for the bot to start.' });

  async execute(): Promise<ExitCode> {
    const limits = parseLimitOptions(this);
    if (limits === undefined) {
      const hint = `For example: avtomatika-bot limits set ${this.bot} --memory 512m`;
      throw complain(exitCodes.usage, 'USAGE', 'Name at least one limit.', hint);
    }
    return this.configure({ botId: this.bot, limits, reset: limitsReset(this) }, this.noWait);
  }
}
