/** avtomatika-bot worker drain WORKER */
import { AdminService } from '#gen/botrunner/v1/admin_service_pb.js';
import { Command, Option } from '../argv/clipanion.ts';
import { callTimeoutMs } from '../calls/client.ts';
import { type ExitCode, exitCodes } from '../failures/exit-codes.ts';
import { escapeControls, safeJson } from '../render/escape.ts';
import { drainStepJson, renderDrainStep } from '../render/workers.ts';
import { write } from '../text/write.ts';
import { BotCommand } from './bot-command.ts';

export class WorkerDrainCommand extends BotCommand {
  static override paths = [['worker', 'drain']];
  static override usage = Command.Usage({
    description: 'Move the running bots of a worker to others, one at a time.',
    details: [
      'Needs an admin token. The worker is cordoned first. Each bot is stopped, and started on another worker ' +
        'once it is gone, so it never runs twice. Its log and what it keeps (/data, or the data folder of a bot ' +
        'without Docker) stay on the old worker: the drain is refused and names those bots, unless you give --leave-data.',
      'Bots that stay are listed with the reason. Exit code 3 if any of them are running. Ctrl-C stops the ' +
        'drain after the current bot; run the same command again to continue.',
    ].join('\n\n'),
    examples: [
      ['Before the machine is switched off', 'avtomatika-bot worker drain worker-1'],
      ['The data is saved or not needed', 'avtomatika-bot worker drain worker-1 --leave-data'],
    ],
  });

  worker = Option.String();
  leaveData = Option.Boolean('--leave-data', false, { description: 'Leave what bots keep on the worker.' });

  async execute(): Promise<ExitCode> {
    const { signal } = this.context;
    const name = escapeControls(this.worker);
    const request = { workerId: this.worker, leaveData: this.leaveData };
    return this.withClient(async (client) => {
      for await (const step of client.for(AdminService).drainWorker(request, { signal })) {
        await this.tell(this.json ? safeJson(drainStepJson(step)) : renderDrainStep(step));
      }
      const { workers } = await client.for(AdminService).listWorkers({}, { signal, timeoutMs: callTimeoutMs });
      const left = workers.find(({ workerId }) => workerId === this.worker)?.runningBots ?? 0;
      const end = left === 0 ? `${name} runs no bots.` : `${name} still has ${left} running ${plural(left)}.`;
      await this.tell(this.json ? safeJson({ worker_id: this.worker, running_bots: left }) : end);
      return left === 0 ? exitCodes.done : exitCodes.unhealthy;
    });
  }

  private tell(line: string): Promise<void> {
    return write(this.context.stdout, `${line}\n`, this.context.signal);
  }
}

const plural = (count: number): string => (count === 1 ? 'bot' : 'bots');
