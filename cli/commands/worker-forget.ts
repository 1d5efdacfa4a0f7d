/** avtomatika-bot worker forget WORKER */
import { AdminService } from '#gen/botrunner/v1/admin_service_pb.js';
import { Command, Option } from '../argv/clipanion.ts';
import { callTimeoutMs } from '../calls/client.ts';
import { complain } from '../failures/errors.ts';
import { type ExitCode, exitCodes } from '../failures/exit-codes.ts';
import { readLine } from '../options/stdin.ts';
import { escapeControls } from '../render/escape.ts';
import { freedBotsJson, renderForgotten } from '../render/workers.ts';
import { BotCommand } from './bot-command.ts';

export class WorkerForgetCommand extends BotCommand {
  static override paths = [['worker', 'forget']];
  static override usage = Command.Usage({
    description: 'Give up a worker whose host is gone for good.',
    details: [
      'Needs an admin token. Frees the names, Telegram tokens and quota of its bots: those that should run ' +
        'become stopped, and restart runs them on another worker; deleted ones are gone. Their /data and logs are ' +
        'lost.',
      'Use it only when the host is off: a bot still running there would run twice. A worker heard from within ' +
        'the last 10 seconds is not forgotten. If it comes back, it joins again and removes its copies first.',
    ].join('\n\n'),
    examples: [
      ['The machine is broken', 'avtomatika-bot worker forget worker-1'],
      ['Without asking', 'avtomatika-bot worker forget worker-1 --yes'],
    ],
  });

  worker = Option.String();
  yes = Option.Boolean('-y,--yes', false, { description: 'Do not ask for confirmation: the host is off.' });

  async execute(): Promise<ExitCode> {
    if (!this.yes && !(await this.isConfirmed())) {
      this.context.stderr.write('Nothing was changed.\n');
      return exitCodes.failed;
    }
    const { signal } = this.context;
    const request = { workerId: this.worker, hostIsOff: true };
    const { bots } = await this.withClient((client) =>
      client.for(AdminService).forgetWorker(request, { signal, timeoutMs: callTimeoutMs }),
    );
    const json = { worker_id: this.worker, status: 'forgotten', bots: freedBotsJson(bots) };
    await this.answer(json, renderForgotten(this.worker, bots));
    return exitCodes.done;
  }

  private async isConfirmed(): Promise<boolean> {
    const { stderr, terminal } = this.context;
    if (this.json || !terminal.stdin || !terminal.stderr) {
      const hint = 'Add --yes once its host is off.';
      throw complain(
        exitCodes.usage,
        'USAGE',
        'worker forget asks for confirmation, and there is no terminal to ask on.',
        hint,
      );
    }
    stderr.write(`Is the host of ${escapeControls(this.worker)} off, so that no bot runs there? [y/N] `);
    return /^y(es)?$/i.test((await readLine(this.context)).trim());
  }
}
