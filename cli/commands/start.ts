/** avtomatika-bot start BOT, with its source. */

import type { CallOptions } from '@connectrpc/connect';
import { BotService } from '#gen/botrunner/v1/bot_service_pb.js';
import { Command } from '../argv/clipanion.ts';
import type { Client } from '../calls/client.ts';
import { DeployCommand, type DeployRequest } from './deploy-command.ts';

export class StartCommand extends DeployCommand {
  static override paths = [['start']];
  static override usage = Command.Usage({
    description: 'Start a bot, or update it if it is running.',
    details: [
      'Give exactly one source: --simple, --code, --custom, --git or --image.',
      'If the bot is running, this is an update: whatever you do not name stays as it is; see update.',
      '--simple takes one file, several files, or a folder with its subfolders. From a folder it leaves out ' +
        'what .dockerignore excludes (without one, what .gitignore excludes), hidden files, virtual environments, ' +
        'caches and installed packages. One line lists what was left out, and --include adds it back.',
      'What a folder runs is taken from its Procfile, the start script of its package.json, a file such as bot.py, or ' +
        'a package with a __main__.py; one line says which, and --entrypoint or --command overrides it. Packages come ' +
        'from its requirements.txt, pyproject.toml or package.json unless you give -r.',
      '--custom takes a folder with a Dockerfile. .dockerignore works as in docker build, for archives and ' +
        'repositories as well; .git is always left out. --build-arg gives values to its ARG instructions; they stay ' +
        'in the history of the image, so nothing secret: secrets are given with -e.',
    ].join('\n\n'),
    examples: [
      ['One file', 'avtomatika-bot start my-bot --simple bot.py -r "aiogram>=3.0,<4" -e BOT_TOKEN=123:ABC'],
      ['Several files; the first one is run', 'avtomatika-bot start my-bot --simple bot.py texts.py locales/'],
      ['A folder', 'avtomatika-bot start my-bot --simple my_bot/ --entrypoint app.py -r requirements.txt'],
      ['A Python package', 'avtomatika-bot start my-bot --simple . --command "python -m mybot --debug"'],
      ['With files that would be left out', 'avtomatika-bot start my-bot --simple my_bot/ --include my_bot/data/'],
      ['The code itself', `avtomatika-bot start hello --code "console.log('hello')" --runtime node`],
      ['A folder with a Dockerfile', 'avtomatika-bot start my-bot --custom my_bot/ --env-file bot.env'],
      ['With limits of its own', 'avtomatika-bot start my-bot --custom my_bot/ --memory 512m --disk 2g'],
      [
        'Another Dockerfile, up to a stage',
        'avtomatika-bot start my-bot --custom my_bot/ --dockerfile docker/prod.Dockerfile --target prod --build-arg PYTHON_VERSION=3.12',
      ],
      ['A git repository', 'avtomatika-bot start my-bot --git https://github.com/user/telegram-bot.git --branch main'],
      ['A ready image', 'avtomatika-bot start my-bot --image ghcr.io/user/bot:1.0 --cpus 0.5'],
      ['Give up after two minutes', 'avtomatika-bot start my-bot --simple bot.py --timeout 2m'],
      ['With the token moved out of the code', 'avtomatika-bot start my-bot --simple bot.py --move-token'],
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
