/** avtomatika-bot token list */
import { AdminService } from '#gen/botrunner/v1/admin_service_pb.js';
import { Command } from '../argv/clipanion.ts';
import { callTimeoutMs } from '../calls/client.ts';
import { type ExitCode, exitCodes } from '../failures/exit-codes.ts';
import { renderTokens, tokenJson } from '../render/tokens.ts';
import { BotCommand } from './bot-command.ts';

export class TokenListCommand extends BotCommand {
  static override paths = [
    ['token', 'list'],
    ['token', 'ls'],
  ];
  static override usage = Command.Usage({
    description: 'List all tokens, without their values.',
    details:
      'Needs an admin token. The tokens that come from the settings are called CLIENT_TOKEN, ADMIN_TOKEN and ' +
      'WORKER_TOKEN.',
    examples: [
      ['Who has tokens?', 'avtomatika-bot token list'],
      ['The users', `avtomatika-bot token list --json | jq -r '.tokens[].user_id' | sort -u`],
    ],
  });

  async execute(): Promise<ExitCode> {
    const { tokens } = await this.withClient((client) =>
      client.for(AdminService).listTokens({}, { signal: this.context.signal, timeoutMs: callTimeoutMs }),
    );
    await this.answer({ tokens: tokens.map(tokenJson) }, renderTokens(tokens));
    return exitCodes.done;
  }
}
