/** avtomatika-bot doctor */
import { create } from '@bufbuild/protobuf';
import { AdminService } from '#gen/botrunner/v1/admin_service_pb.js';
import { SafetyReportSchema } from '#gen/botrunner/v1/safety_pb.js';
import { Command } from '../argv/clipanion.ts';
import { callTimeoutMs } from '../calls/client.ts';
import { type ExitCode, exitCodes } from '../failures/exit-codes.ts';
import { isProved, renderExamined, safetyJson } from '../render/safety.ts';
import { workerJson } from '../render/workers.ts';
import { BotCommand } from './bot-command.ts';

export class DoctorCommand extends BotCommand {
  static override paths = [['doctor']];
  static override usage = Command.Usage({
    description: 'Show whether strangers may start bots: every safety check, and its cure.',
    details:
      'Needs an admin token. With STRANGERS=1 the orchestrator and the workers check every minute what keeps the bots of people you do ' +
      'not know from doing harm. Ends with 0 if every check holds on the orchestrator and on all connected workers, with 1 if one has failed, ' +
      'was not made, or no worker is connected.',
    examples: [
      ['All checks', 'avtomatika-bot doctor'],
      [
        'Those of workers that have failed',
        `avtomatika-bot doctor --json | jq '.workers[].safety.checks[]? | select(.ok|not)'`,
      ],
    ],
  });

  async execute(): Promise<ExitCode> {
    const examined = await this.withClient(async (client) => {
      const admin = client.for(AdminService);
      const options = { signal: this.context.signal, timeoutMs: callTimeoutMs };
      const [{ orchestrator }, { workers }] = await Promise.all([
        admin.checkSafety({}, options),
        admin.listWorkers({}, options),
      ]);
      return { orchestrator: orchestrator ?? create(SafetyReportSchema), workers };
    });
    const ok = isProved(examined);
    const { orchestrator, workers } = examined;
    await this.answer(
      { ok, orchestrator: safetyJson(orchestrator), workers: workers.map(workerJson) },
      renderExamined(examined, this.outStyle()),
    );
    return ok ? exitCodes.done : exitCodes.failed;
  }
}
