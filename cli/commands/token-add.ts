/** avtomatika-bot token add */
import { AdminService } from '#gen/botrunner/v1/admin_service_pb.js';
import { Command, Option } from '../argv/clipanion.ts';
import { callTimeoutMs } from '../calls/client.ts';
import { complain } from '../failures/errors.ts';
import { type ExitCode, exitCodes } from '../failures/exit-codes.ts';
import { parseScope, requireOption } from '../options/token-words.ts';
import { escapeControls, safeJson } from '../render/escape.ts';
import { tokenJson } from '../render/tokens.ts';
import { write } from '../text/write.ts';
import { BotCommand } from './bot-command.ts';

export class TokenAddCommand extends BotCommand {
  static override paths = [['token', 'add']];
  static override usage = Command.Usage({
    description: 'Create a token for a user.',
    details:
      'Needs an admin token. A user exists as soon as there is a token for it. The new token is printed once, on ' +
      'standard output and with nothing else; only its hash is kept.',
    examples: [
      ["A token for ann's bots", 'avtomatika-bot token add --user ann --name laptop'],
      [
        "Saved to a file, using the admin's token",
        'avtomatika-bot token add --user ann --name ci --token "$ADMIN_TOKEN" > ann.token',
      ],
      ['For a worker', 'avtomatika-bot token add --user ops --name host-2 --scope worker'],
    ],
  });

  user = Option.String('--user', {
    description: 'Owner of the token: 1 to 32 lower-case letters, digits, "_" or "-".',
  });
  name = Option.String('--name', { description: 'Name of the token, unique for the user.' });
  scope = Option.String('--scope', 'client', {
    description: 'client for bots and jobs, worker for joining workers, admin for tokens and workers. Default: client.',
  });

  async execute(): Promise<ExitCode> {
    const request = {
      userId: requireOption('token add', '--user', this.user),
      name: requireOption('token add', '--name', this.name),
      scope: parseScope(this.scope),
    };
    const { signal, stderr } = this.context;
    // Not repeated when the connection breaks: each call makes another token.
    const { token, value } = await this.withClient((client) =>
      client.for(AdminService).createToken(request, { signal, timeoutMs: callTimeoutMs }),
    );
    if (value === '') {
      const hint = 'Report this to its operator.';
      throw complain(exitCodes.failed, 'INTERNAL', 'The orchestrator answered without a token.', hint);
    }
    if (!this.json) {
      const whose = `${escapeControls(request.name)} of ${escapeControls(request.userId)}`;
      stderr.write(`The token ${whose} has the scope ${this.scope}. Save it now: it is not shown again.\n`);
    }
    const text = this.json ? safeJson({ ...(token ? tokenJson(token) : {}), value }) : value;
    await write(this.context.stdout, `${text}\n`, signal);
    return exitCodes.done;
  }
}
