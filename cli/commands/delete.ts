/** avtomatika-bot delete BOT */
import type { CallOptions } from '@connectrpc/connect';
import { BotService } from '#gen/botrunner/v1/bot_service_pb.js';
import type { Job } from '#gen/botrunner/v1/job_pb.js';
import { Command, Option } from '../argv/clipanion.ts';
import type { Client } from '../calls/client.ts';
import { complain } from '../failures/errors.ts';
import { type ExitCode, exitCodes } from '../failures/exit-codes.ts';
import { readLine } from '../options/stdin.ts';
import { escapeControls } from '../render/escape.ts';
import { renderDeleted } from '../render/job.ts';
import type { Style } from '../render/style.ts';
import { BotsCommand } from './bots-command.ts';

export class DeleteCommand extends BotsCommand {
  static override paths = [['delete'], ['rm'], ['remove']];
  static override usage = Command.Usage({
    description: 'Stop a bot and delete it.',
    details:
      'Removes its container, images and log. Its data (/data and the volumes of its image) is kept for a later ' +
      'bot of the same name; --purge removes it too, on every worker the bot has been on. If its worker is ' +
      'silent, the bot disappears from list at once and is removed when the worker is back. Asks for confirmation ' +
      'on a terminal.',
    examples: [
      ['Delete it, but keep its data', 'avtomatika-bot delete my-bot'],
      ['Several', 'avtomatika-bot rm my-bot other-bot'],
      ['Delete it with its data, without asking', 'avtomatika-bot delete my-bot --purge -y'],
    ],
  });

  purge = Option.Boolean('--purge', false, { description: 'Remove its data as well.' });
  yes = Option.Boolean('-y,--yes', false, { description: 'Do not ask for confirmation.' });

  async execute(): Promise<ExitCode> {
    if (!this.yes && !(await this.isConfirmed())) {
      this.context.stderr.write('Nothing was deleted.\n');
      return exitCodes.failed;
    }
    return this.forEachBot();
  }

  protected send(client: Client, botId: string, options: CallOptions) {
    return client.for(BotService).deleteBot({ botId, purge: this.purge }, options);
  }

  protected render(job: Job, style: Style) {
    return renderDeleted(job, style, this.purge);
  }

  private async isConfirmed(): Promise<boolean> {
    const { stderr, terminal } = this.context;
    if (this.json || !terminal.stdin || !terminal.stderr) {
      const hint = 'Add -y to delete without confirmation.';
      throw complain(
        exitCodes.usage,
        'USAGE',
        'delete asks for confirmation, and there is no terminal to ask on.',
        hint,
      );
    }
    const things = this.purge ? 'container, images, log and data' : 'container, images and log';
    const whose = this.bots.length === 1 ? 'its' : 'their';
    stderr.write(`Stop ${this.bots.map(escapeControls).join(', ')} and remove ${whose} ${things}? [y/N] `);
    return /^y(es)?$/i.test((await readLine(this.context)).trim());
  }
}
