/** avtomatika-bot delete BOT */
import { BotService } from '#gen/botrunner/v1/bot_service_pb.js';
import { Command, Option } from '../command.ts';
import { complain } from '../errors.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { escapeControls } from '../render/escape.ts';
import { renderDeleted } from '../render/job.ts';
import { readLine } from '../stdin.ts';
import { submit } from '../submit.ts';
import { JobCommand } from './job-command.ts';

export class DeleteCommand extends JobCommand {
  static override paths = [['delete']];
  static override usage = Command.Usage({
    description: 'Stop a bot and forget it.',
    details:
      'Its container, its images and its log are removed. What it stored in /data and in the volumes of its image stays ' +
      'for a later bot of the same name unless --purge is given, which removes it on every worker that the bot was on. When ' +
      'its worker is silent, the bot is gone from list at once, and removed when that is back. Asks first on a terminal.',
    examples: [
      ['Delete it, but keep its data', 'avtomatika-bot delete my-bot'],
      ['Delete it with its data, without being asked', 'avtomatika-bot delete my-bot --purge -y'],
    ],
  });

  bot = Option.String();
  purge = Option.Boolean('--purge', false, { description: 'Remove its data too.' });
  yes = Option.Boolean('-y,--yes', false, { description: 'Do not ask.' });

  async execute(): Promise<ExitCode> {
    if (!this.yes && !(await this.isConfirmed())) {
      this.context.stderr.write('Nothing was deleted.\n');
      return exitCodes.failed;
    }
    return this.withClient(async (client) => {
      const request = { botId: this.bot, purge: this.purge };
      const job = await submit(this.context, (options) => client.for(BotService).deleteBot(request, options));
      const render: typeof renderDeleted = (ended, style) => renderDeleted(ended, style, this.purge);
      return this.tellEnd(await this.finish(client, job), render);
    });
  }

  private async isConfirmed(): Promise<boolean> {
    const { stderr, terminal } = this.context;
    if (this.json || !terminal.stdin || !terminal.stderr) {
      const hint = 'Add -y to delete without being asked.';
      throw complain(exitCodes.usage, 'USAGE', 'delete asks first, and there is no terminal to ask on.', hint);
    }
    const things = this.purge ? 'container, images, log and data' : 'container, images and log';
    stderr.write(`Stop ${escapeControls(this.bot)} and remove its ${things}? [y/N] `);
    return /^y(es)?$/i.test((await readLine(this.context)).trim());
  }
}
