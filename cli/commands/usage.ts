/** avtomatika-bot usage */
import { AdminService } from '#gen/botrunner/v1/admin_service_pb.js';
import { BotService } from '#gen/botrunner/v1/bot_service_pb.js';
import { Command, Option } from '../argv/clipanion.ts';
import { callTimeoutMs } from '../calls/client.ts';
import { type ExitCode, exitCodes } from '../failures/exit-codes.ts';
import { renderUsage, renderUsages, usageJson } from '../render/usage.ts';
import { BotCommand } from './bot-command.ts';

export class UsageCommand extends BotCommand {
  static override paths = [['usage']];
  static override usage = Command.Usage({
    description: 'Show how much you store, and how much you may.',
    details: 'With --all, which needs an admin token, it lists the users with the largest sources.',
    examples: [
      ['What do I have?', 'avtomatika-bot usage'],
      ['Who has the most?', 'avtomatika-bot usage --all'],
    ],
  });

  all = Option.Boolean('--all', false, {
    description: 'List the users with the largest sources; needs an admin token.',
  });

  async execute(): Promise<ExitCode> {
    const options = { signal: this.context.signal, timeoutMs: callTimeoutMs };
    if (this.all) {
      const { users } = await this.withClient((client) => client.for(AdminService).listUsage({}, options));
      const shown = users.map(({ userId, usage }) => ({ user_id: userId, ...(usage ? usageJson(usage) : {}) }));
      await this.answer({ users: shown }, renderUsages(users));
      return exitCodes.done;
    }
    const { usage } = await this.withClient((client) => client.for(BotService).getUsage({}, options));
    if (usage !== undefined) await this.answer(usageJson(usage), renderUsage(usage));
    return exitCodes.done;
  }
}
