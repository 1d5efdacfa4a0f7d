/** avtomatika-bot token revoke */
import { AdminService } from '#gen/botrunner/v1/admin_service_pb.js';
import { Command, Option } from '../argv/clipanion.ts';
import { callTimeoutMs } from '../calls/client.ts';
import { type ExitCode, exitCodes } from '../failures/exit-codes.ts';
import { requireOption } from '../options/token-words.ts';
import { escapeControls } from '../render/escape.ts';
import { BotCommand } from './bot-command.ts';

export class TokenRevokeCommand extends BotCommand {
  static override paths = [['token', 'revoke']];
  static override usage = Command.Usage({
    description: 'Revoke a token immediately.',
    details: "Needs an admin token. Streams opened with it are closed. The user's bots keep running.",
    examples: [['The laptop was lost', 'avtomatika-bot token revoke --user ann --name laptop']],
  });

  user = Option.String('--user', { description: 'Owner of the token.' });
  name = Option.String('--name', { description: 'Name of the token.' });

  async execute(): Promise<ExitCode> {
    const request = {
      userId: requireOption('token revoke', '--user', this.user),
      name: requireOption('token revoke', '--name', this.name),
    };
    await this.withClient((client) =>
      client.for(AdminService).revokeToken(request, { signal: this.context.signal, timeoutMs: callTimeoutMs }),
    );
    const json = { status: 'revoked', user_id: request.userId, name: request.name };
    const whose = `${escapeControls(request.name)} of ${escapeControls(request.userId)}`;
    await this.answer(json, `The token ${whose} is revoked.`);
    return exitCodes.done;
  }
}
