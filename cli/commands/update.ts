/** avtomatika-bot update BOT, with its new source. */
import type { CallOptions } from '@connectrpc/connect';
import type { Client } from '../client.ts';
import { Command } from '../clipanion.ts';
import { DeployCommand, type DeployRequest } from './deploy-command.ts';

export class UpdateCommand extends DeployCommand {
  static override paths = [['update']];
  static override usage = Command.Usage({
    description: 'Give a bot new code, from any source.',
    details: [
      'The new image is built while the old bot runs. Then the old one is stopped, and the new one is started when it is ' +
        'gone. If the build fails the old one goes on. The options are those of start.',
      'The environment stays as it is unless -e or --env-file is given; then it is replaced as a whole. So are ' +
        'the labels of --on.',
    ].join('\n\n'),
    examples: [
      ['New code, same environment', 'avtomatika-bot update my-bot --simple bot.py'],
      ['From a folder with a Dockerfile to a ready image', 'avtomatika-bot update my-bot --image ghcr.io/user/bot:1.1'],
      ['With another token', 'avtomatika-bot update my-bot --simple my_bot/ -e BOT_TOKEN=456:DEF --takeover'],
    ],
  });

  protected send(client: Client, request: DeployRequest, options: CallOptions) {
    return client.bots.updateBot(request, options);
  }
}
