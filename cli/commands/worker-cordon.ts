/** avtomatika-bot worker cordon|uncordon WORKER */
import type { CallOptions } from '@connectrpc/connect';
import { AdminService, type Worker } from '#gen/botrunner/v1/admin_service_pb.js';
import { Command, Option } from '../argv/clipanion.ts';
import { type Client, callTimeoutMs } from '../calls/client.ts';
import { type ExitCode, exitCodes } from '../failures/exit-codes.ts';
import { escapeControls } from '../render/escape.ts';
import { workerJson } from '../render/workers.ts';
import { BotCommand } from './bot-command.ts';

abstract class CordoningCommand extends BotCommand {
  worker = Option.String();

  protected abstract readonly told: string;
  protected abstract send(client: Client, options: CallOptions): Promise<{ readonly worker?: Worker | undefined }>;

  async execute(): Promise<ExitCode> {
    const { worker } = await this.withClient((client) =>
      this.send(client, { signal: this.context.signal, timeoutMs: callTimeoutMs }),
    );
    const json = worker === undefined ? { worker_id: this.worker } : workerJson(worker);
    await this.answer(json, `${escapeControls(this.worker)} ${this.told}`);
    return exitCodes.done;
  }
}

export class WorkerCordonCommand extends CordoningCommand {
  static override paths = [['worker', 'cordon']];
  static override usage = Command.Usage({
    description: 'Stop placing bots on a worker.',
    details:
      'Needs an admin token. Bots already there keep running. A stopped bot that has data there is started ' +
      'elsewhere, without that data. Lasts until uncordon, across restarts of orchestrator and worker.',
    examples: [['No more bots there', 'avtomatika-bot worker cordon worker-1']],
  });

  protected readonly told = 'is cordoned: it gets no more bots.';

  protected send(client: Client, options: CallOptions) {
    return client.for(AdminService).cordonWorker({ workerId: this.worker }, options);
  }
}

export class WorkerUncordonCommand extends CordoningCommand {
  static override paths = [['worker', 'uncordon']];
  static override usage = Command.Usage({
    description: 'Place bots on a worker again.',
    details: 'Needs an admin token.',
    examples: [['After maintenance', 'avtomatika-bot worker uncordon worker-1']],
  });

  protected readonly told = 'gets bots again.';

  protected send(client: Client, options: CallOptions) {
    return client.for(AdminService).uncordonWorker({ workerId: this.worker }, options);
  }
}
