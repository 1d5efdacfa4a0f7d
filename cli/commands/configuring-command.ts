/** What commands share that change a bot without its source. */
import type { MessageInitShape } from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import { BotService, type ConfigureBotRequestSchema } from '#gen/botrunner/v1/bot_service_pb.js';
import type { Job } from '#gen/botrunner/v1/job_pb.js';
import type { Client } from '../calls/client.ts';
import { submit } from '../calls/submit.ts';
import { complain } from '../failures/errors.ts';
import { type ExitCode, exitCodes } from '../failures/exit-codes.ts';
import { renderConfigured } from '../render/job.ts';
import { TimedJobCommand } from './timed-job-command.ts';

export abstract class ConfiguringCommand extends TimedJobCommand {
  /** Sends the change and waits for its end. */
  protected configure(request: MessageInitShape<typeof ConfigureBotRequestSchema>, noWait: boolean): Promise<ExitCode> {
    this.timeoutMs();
    return this.withClient(async (client) => {
      const job = await this.#accepted(client, request);
      return noWait ? this.tellAccepted(job) : this.tellEnd(await this.finish(client, job), renderConfigured);
    });
  }

  async #accepted(client: Client, request: MessageInitShape<typeof ConfigureBotRequestSchema>): Promise<Job> {
    try {
      return await submit(this.context, (options) => client.for(BotService).configureBot(request, options));
    } catch (error) {
      throw tooOld(error);
    }
  }
}

/** The error; for a call that the orchestrator does not know, what to do about it. */
export function tooOld(error: unknown): unknown {
  if (!(error instanceof ConnectError && error.code === Code.Unimplemented)) return error;
  const message = 'The orchestrator is too old to change a bot without its source.';
  return complain(exitCodes.failed, 'UNAVAILABLE', message, 'Use update with the source, or have it updated.');
}
