/** avtomatika-bot update BOT, with its new source. */

import type { CallOptions } from '@connectrpc/connect';
import { BotService } from '#gen/botrunner/v1/bot_service_pb.js';
import { Command } from '../argv/clipanion.ts';
import type { Client } from '../calls/client.ts';
import { DeployCommand, type DeployRequest } from './deploy-command.ts';

export class UpdateCommand extends DeployCommand {
  static override paths = [['update']];
  static override usage = Command.Usage({
    description: 'Give a bot new code, from any source.',
    details: [
      'The new image is built while the old version runs. Then the old version is stopped, and once it is gone ' +
        'the new one is started. If the build fails, the old version keeps running. The options are those of ' +
        'start.',
      'Whatever you do not name stays as it is: variables, limits, labels, the packages of the same language, ' +
        'the branch and login of the same repository, the login of the same registry, build arguments. -e and --on add or replace ' +
        'single entries.',
      'If the upload would leave out files that the bot was sent before, update asks first; --include PATH ' +
        'sends them, --yes goes ahead without them.',
      'To remove something: -e NAME-, --on KEY-, --memory default, --cpus default, --disk default, -r "", ' +
        '--build-arg NAME-, --target "", --dockerfile "". With --replace-env the bot keeps only the variables you give.',
    ].join('\n\n'),
    examples: [
      ['New code, same environment', 'avtomatika-bot update my-bot --simple bot.py'],
      ['One variable replaced, one removed', 'avtomatika-bot update my-bot --simple bot.py -e DEBUG=1 -e OLD_NAME-'],
      ['With another command', 'avtomatika-bot update my-bot --simple . --command "node --enable-source-maps bot.js"'],
      ['Back to the default memory', 'avtomatika-bot update my-bot --simple bot.py --memory default'],
      ['From a folder with a Dockerfile to a ready image', 'avtomatika-bot update my-bot --image ghcr.io/user/bot:1.1'],
      ['Without files it had before, and without asking', 'avtomatika-bot update my-bot --simple my_bot/ --yes'],
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
