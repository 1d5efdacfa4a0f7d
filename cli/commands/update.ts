/** avtomatika-bot update BOT, with its new source. */

import type { CallOptions } from '@connectrpc/connect';
import { BotService } from '#gen/botrunner/v1/bot_service_pb.js';
import type { Client } from '../client.ts';
import { Command } from '../clipanion.ts';
import { DeployCommand, type DeployRequest } from './deploy-command.ts';

export class UpdateCommand extends DeployCommand {
  static override paths = [['update']];
  static override usage = Command.Usage({
    description: 'Give a bot new code, from any source.',
    details: [
      'The new image is built while the old bot runs. Then the old one is stopped, and the new one is started when it is ' +
        'gone. If the build fails, the old one keeps running. The options are those of start.',
      'What is not named stays: variables, limits, labels, packages of the same language, the branch and login of the ' +
        'same repository, the login of the same registry. -e and --on add or replace single ones.',
      'When the upload leaves out files that the bot has got before, it asks first; --include PATH takes them along, --yes ' +
        'goes without.',
      'To take something away: -e NAME-, --on KEY-, --memory default, --cpus default, -r "". With --replace-env the variables ' +
        'given are all there are.',
    ].join('\n\n'),
    examples: [
      ['New code, same environment', 'avtomatika-bot update my-bot --simple bot.py'],
      ['One variable replaced, one gone', 'avtomatika-bot update my-bot --simple bot.py -e DEBUG=1 -e OLD_NAME-'],
      ['The default memory again', 'avtomatika-bot update my-bot --simple bot.py --memory default'],
      ['From a folder with a Dockerfile to a ready image', 'avtomatika-bot update my-bot --image ghcr.io/user/bot:1.1'],
      ['Without files that it had, and without being asked', 'avtomatika-bot update my-bot --simple my_bot/ --yes'],
      ['With another token', 'avtomatika-bot update my-bot --simple my_bot/ -e BOT_TOKEN=456:DEF --takeover'],
    ],
  });

  protected checked(value: DeployRequest) {
    return { case: 'update' as const, value };
  }

  protected send(client: Client, request: DeployRequest, options: CallOptions) {
    return client.for(BotService).updateBot(request, options);
  }
}
