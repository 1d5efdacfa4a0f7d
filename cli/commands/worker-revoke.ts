/** avtomatika-bot worker revoke|readmit WORKER */

import type { CallOptions } from '@connectrpc/connect';
import { AdminService } from '#gen/botrunner/v1/admin_service_pb.js';
import { Command, Option } from '../argv/clipanion.ts';
import { type Client, callTimeoutMs } from '../calls/client.ts';
import { type ExitCode, exitCodes } from '../failures/exit-codes.ts';
import { escapeControls } from '../render/escape.ts';
import { BotCommand } from './bot-command.ts';

abstract class AccessCommand extends BotCommand {
  worker = Option.String();

  protected abstract readonly status: string;
  protected abstract readonly told: string;
  protected abstract send(client: Client, options: CallOptions): Promise<unknown>;

  async execute(): Promise<ExitCode> {
    await this.withClient((client) => this.send(client, { signal: this.context.signal, timeoutMs: callTimeoutMs }));
    await this.answer({ worker_id: this.worker, status: this.status }, `${escapeControls(this.worker)} ${this.told}`);
    return exitCodes.done;
  }
}

export class WorkerRevokeCommand extends AccessCommand {
  static override paths = [['worker', 'revoke']];
  static override usage = Command.Usage({
    description: 'Shut a worker out immediately.',
    details:
      'Needs an admin token. Its session ends, and neither its credential nor its id is accepted until readmit. ' +
      'Bots on its machine keep running with nobody in control: stop them there.',
    examples: [['The machine was compromised', 'avtomatika-bot worker revoke worker-1']],
  });

  protected readonly status = 'revoked';
  protected readonly told = 'is revoked: it cannot join until it is readmitted.';

  protected send(client: Client, options: CallOptions) {
    return client.for(AdminService).revokeWorker({ workerId: this.worker }, options);
  }
}

export class WorkerReadmitCommand extends AccessCommand {
  static override paths = [['worker', 'readmit']];
  static override usage = Command.Usage({
    description: 'Let a worker id join again, with a new credential.',
    details:
      'Needs an admin token. For a worker that was revoked or has lost its DATA_DIR. Whoever joins next under ' +
      'this id, with a join token, becomes that worker and gets its bots. A running worker just joins again.',
    examples: [['The machine has a new disk', 'avtomatika-bot worker readmit worker-1']],
  });

  protected readonly status = 'readmitted';
  protected readonly told = 'may join again with a join token.';

  protected send(client: Client, options: CallOptions) {
    return client.for(AdminService).readmitWorker({ workerId: this.worker }, options);
  }
}
