/** avtomatika-bot worker list */
import { AdminService } from '#gen/botrunner/v1/admin_service_pb.js';
import { Command } from '../argv/clipanion.ts';
import { callTimeoutMs } from '../calls/client.ts';
import { type ExitCode, exitCodes } from '../failures/exit-codes.ts';
import { renderWorkers, workerJson } from '../render/workers.ts';
import { BotCommand } from './bot-command.ts';

export class WorkerListCommand extends BotCommand {
  static override paths = [
    ['worker', 'list'],
    ['worker', 'ls'],
  ];
  static override usage = Command.Usage({
    description: 'List all workers that ever joined, with their state and resources.',
    details:
      'Needs an admin token. ready: accepts bots. not_ready: its engine does not respond. suspect: silent for 6 ' +
      'seconds. away: not connected, or silent for 10 seconds; the state of its bots is then unknown.',
    examples: [
      ['All workers', 'avtomatika-bot worker list'],
      [
        'Those that take bots',
        `avtomatika-bot worker list --json | jq -r '.workers[] | select(.state=="ready" and (.cordoned|not)).worker_id'`,
      ],
    ],
  });

  async execute(): Promise<ExitCode> {
    const { workers } = await this.withClient((client) =>
      client.for(AdminService).listWorkers({}, { signal: this.context.signal, timeoutMs: callTimeoutMs }),
    );
    await this.answer({ workers: workers.map(workerJson) }, renderWorkers(workers));
    return exitCodes.done;
  }
}
