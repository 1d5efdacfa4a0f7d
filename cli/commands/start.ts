/** avtomatika-bot start BOT, with its source. */

import type { CallOptions } from '@connectrpc/connect';
import { BotService } from '#gen/botrunner/v1/bot_service_pb.js';
import type { Client } from '../client.ts';
import { Command } from '../clipanion.ts';
import { DeployCommand, type DeployRequest } from './deploy-command.ts';

export class StartCommand extends DeployCommand {
  static override paths = [['start']];
  static override usage = Command.Usage({
    description: 'Start a bot, or update it if it runs.',
    details: [
      'Give exactly one source: --simple, --code, --custom, --git or --image.',
      'A bot that runs is updated: what is not named stays, as update says.',
      '--simple takes one file, several, or a folder with all its sub-folders. Of folders what the .dockerignore says, or ' +
        'else the .gitignore, is left out, and so are hidden files, virtual environments, caches and installed packages; ' +
        'a line says what, and --include takes it along. The packages of a requirements.txt or package.json among the files ' +
        'are installed unless -r is given.',
      '--custom takes a folder with a Dockerfile. Its .dockerignore means what it means to docker build, for an archive and ' +
        'a repository too; .git is left out besides.',
    ].join('\n\n'),
    examples: [
      ['One file', 'avtomatika-bot start my-bot --simple bot.py -r "aiogram>=3.0,<4" -e BOT_TOKEN=123:ABC'],
      ['Several files; the first one is run', 'avtomatika-bot start my-bot --simple bot.py texts.py locales/'],
      ['A folder', 'avtomatika-bot start my-bot --simple my_bot/ --entrypoint app.py -r requirements.txt'],
      ['With files that would be left out', 'avtomatika-bot start my-bot --simple my_bot/ --include my_bot/data/'],
      ['The code itself', `avtomatika-bot start hello --code "console.log('hello')" --runtime node`],
      ['A folder with a Dockerfile', 'avtomatika-bot start my-bot --custom my_bot/ --env-file bot.env --memory 512m'],
      ['A git repository', 'avtomatika-bot start my-bot --git https://github.com/user/telegram-bot.git --branch main'],
      ['A ready image', 'avtomatika-bot start my-bot --image ghcr.io/user/bot:1.0 --cpus 0.5'],
      ['In two minutes or not at all', 'avtomatika-bot start my-bot --simple bot.py --timeout 2m'],
      ['On a worker with these labels', 'avtomatika-bot start my-bot --simple bot.py --on zone=eu --on gpu=yes'],
    ],
  });

  protected checked({ keepEnv: _, ...value }: DeployRequest) {
    return { case: 'start' as const, value };
  }

  protected send(client: Client, { keepEnv: _, ...request }: DeployRequest, options: CallOptions) {
    return client.for(BotService).startBot(request, options);
  }
}
