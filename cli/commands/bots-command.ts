/** What commands share that do the same to one bot or several. */
import type { CallOptions } from '@connectrpc/connect';
import type { Job } from '#gen/botrunner/v1/job_pb.js';
import { Option } from '../argv/clipanion.ts';
import type { Client } from '../calls/client.ts';
import { submit } from '../calls/submit.ts';
import { type ExitCode, exitCodes } from '../failures/exit-codes.ts';
import { endEarly } from '../render/end-early.ts';
import type { RenderedJob } from '../render/job.ts';
import type { Style } from '../render/style.ts';
import { TimedJobCommand } from './timed-job-command.ts';

export abstract class BotsCommand extends TimedJobCommand {
  bots = Option.Rest({ name: 'BOT', required: 1 });

  protected abstract send(
    client: Client,
    botId: string,
    options: CallOptions,
  ): Promise<{ readonly job?: Job | undefined }>;
  protected abstract render(job: Job, style: Style): RenderedJob;

  /**
   * All are asked for before the first is waited for, so that they happen together; how each ended is reported in the order of
   * the words. A bot that fails does not keep the others: the exit code is that of the first one that did.
   */
  protected async forEachBot(): Promise<ExitCode> {
    this.timeoutMs();
    const codes = await this.withClient(async (client) => {
      const asked: { readonly job: Job | undefined; readonly code: ExitCode }[] = [];
      for (const botId of new Set(this.bots)) {
        asked.push(
          await this.#orComplain(botId, async () => ({
            job: await submit(this.context, (options) => this.send(client, botId, options)),
            code: exitCodes.done,
          })),
        );
      }
      const ended: ExitCode[] = [];
      for (const { job, code } of asked) {
        if (job === undefined) ended.push(code);
        else {
          const told = await this.#orComplain(job.botId, async () => ({
            job,
            code: await this.tellEnd(await this.finish(client, job), (last, style) => this.render(last, style)),
          }));
          ended.push(told.code);
        }
      }
      return ended;
    });
    return codes.find((code) => code !== exitCodes.done) ?? exitCodes.done;
  }

  /** The result, or the complaint shown. If there is only one bot, its failure is the command's. */
  async #orComplain(
    botId: string,
    act: () => Promise<{ readonly job: Job; readonly code: ExitCode }>,
  ): Promise<{ readonly job: Job | undefined; readonly code: ExitCode }> {
    try {
      return await act();
    } catch (error) {
      this.context.signal.throwIfAborted();
      if (this.bots.length === 1) throw error;
      return {
        job: undefined,
        code: await endEarly(error, this.context, { json: this.json, verbose: this.verbose, url: this.url, botId }),
      };
    }
  }
}
