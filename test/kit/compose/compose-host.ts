/**
 * The machine of somebody who runs the platform by compose: a copy of the checkout's files in a folder named as the guide
 * has it, and the commands docker-compose, docker, curl and avtomatika-bot, which all act on a private engine. The engine's
 * ports are published in its own network namespace; what asks them is run in there.
 */
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { checkoutPath } from '../../../scripts/process/checkout.ts';
import { PageShell } from '../../readme/page-shell.ts';
import type { PrivateEngine } from '../private-engine/private-engine.ts';
import type { ComposeProgram } from './compose-programs.ts';

/** The folder's name in the guide's `cd ~/projects/avtomatika`: compose names the project by it. */
export const projectName = 'avtomatika';

/** What of the checkout an operator's commands touch. */
const copied = [
  ...[
    'compose.yml',
    'compose.services.yml',
    'compose.tls.yml',
    'compose.strangers.yml',
    'compose.worker.yml',
    'docker-compose.bot-runner.yml',
  ],
  ...['Dockerfile', '.dockerignore', '.env.development', 'package.json', 'package-lock.json', 'scripts/make-tokens.sh'],
  ...['common', 'gen', 'orchestrator', 'worker', 'examples/bots'],
];

export class ComposeHost {
  readonly dir: string;
  readonly #root = mkdtempSync(join(tmpdir(), 'compose-'));
  readonly #bin: string;
  readonly #engine: PrivateEngine;

  constructor(engine: PrivateEngine) {
    this.#engine = engine;
    this.dir = join(this.#root, projectName);
    this.#bin = join(this.#root, 'bin');
    for (const path of copied) cpSync(checkoutPath(path), join(this.dir, path), { recursive: true });
    mkdirSync(this.#bin);
    const enter = `nsenter --net=${engine.namespacePath}`;
    const docker = engine.packages.find('/usr/bin/docker');
    if (docker === undefined) throw new Error('the package of the engine has no docker command');
    this.#command('docker', `exec ${docker} "$@"\n`);
    this.#command('curl', `exec ${enter} /usr/bin/curl --silent --show-error --max-time 30 "$@"\n`);
    const cli = checkoutPath('cli/bin/avtomatika-bot.js');
    this.#command('avtomatika-bot', `exec ${enter} ${process.execPath} -- ${cli} "$@"\n`);
  }

  /** From now on this is docker-compose. */
  use(program: ComposeProgram): void {
    this.#command('docker-compose', program.script);
  }

  /** A terminal in the folder. `env` is what compose reads besides .env. */
  shell(env: Readonly<Record<string, string>>): PageShell {
    return new PageShell(this.dir, {
      PATH: `${this.#bin}:/usr/sbin:/usr/bin:/sbin:/bin`,
      HOME: this.#root,
      DOCKER_HOST: this.#engine.dockerHost,
      DOCKER_SOCKET: this.#engine.socketPath,
      // buildx is not here, and the Dockerfile must do without it.
      DOCKER_BUILDKIT: '0',
      ...env,
    });
  }

  write(path: string, text: string): void {
    mkdirSync(dirname(join(this.dir, path)), { recursive: true });
    writeFileSync(join(this.dir, path), text);
  }

  [Symbol.dispose](): void {
    rmSync(this.#root, { recursive: true, force: true });
  }

  #command(name: string, script: string): void {
    const path = join(this.#bin, name);
    writeFileSync(path, `#!/bin/sh\n${script}`);
    chmodSync(path, 0o755);
  }
}
