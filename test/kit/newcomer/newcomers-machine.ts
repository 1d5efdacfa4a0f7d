/**
 * A machine as a newcomer has it, for commands that are run with nothing set: port 8000 is free, and Docker is at its usual
 * place or nowhere. It is this machine in a network and a mount namespace of its own, so that neither what runs here nor
 * another test is in the way; nothing leads out of it, so no bot reaches the real Telegram.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { killChild } from '../private-engine/child-end.ts';
import type { TestDocker } from '../test-docker.ts';

export interface NewcomersMachine {
  /** The beginning of a command that is run there, in that folder. */
  inside(folder: string): readonly [string, ...string[]];
  [Symbol.asyncDispose](): Promise<void>;
}

export interface NoMachine {
  /** One line for people: why there is none. */
  readonly skip: string;
}

/** Hides what this machine has in /run, the sockets of engines among it. $1: the engine's socket, or nothing. */
const furnish = `
ip link set lo up && mount -t tmpfs tmpfs /run || exit 1
if [ -n "$1" ]; then touch /run/docker.sock && mount --bind "$1" /run/docker.sock || exit 1; fi
echo furnished
read -r _
`;

/** `engine` is a private one; without it there is no Docker. */
export async function newcomersMachine(
  engine?: Pick<TestDocker, 'host' | 'namespacePath'>,
): Promise<NewcomersMachine | NoMachine> {
  if (process.getuid?.() !== 0) return { skip: 'a machine of its own (unshare, nsenter) needs root' };
  if (engine !== undefined && engine.namespacePath === undefined) {
    return { skip: 'an engine that was named cannot be put where a newcomer has it' };
  }
  const network = engine?.namespacePath === undefined ? [] : ['nsenter', `--net=${engine.namespacePath}`];
  const [program = '', ...args] = [...network, 'unshare', '--mount', ...(engine === undefined ? ['--net'] : [])];
  const socket = engine?.host.replace('unix://', '') ?? '';
  const keeper = spawn(program, [...args, 'sh', '-c', furnish, 'keeper', socket], {
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: true,
  });
  const obstacle = await obstacleOf(keeper);
  if (obstacle !== undefined) {
    await killChild(keeper);
    return { skip: `a machine of its own cannot be made here: ${obstacle}` };
  }
  const namespaces = [`--net=/proc/${keeper.pid}/ns/net`, `--mount=/proc/${keeper.pid}/ns/mnt`];
  return {
    inside: (folder) => ['nsenter', ...namespaces, `--wd=${folder}`],
    [Symbol.asyncDispose]: () => killChild(keeper),
  };
}

/** Why it did not come up; undefined when it did. */
function obstacleOf(keeper: ChildProcess): Promise<string | undefined> {
  let said = '';
  keeper.stderr?.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  return new Promise((resolve) => {
    keeper.once('error', (error) => resolve(error.message));
    keeper.once('close', (code) => resolve(said.trim() || `it ended with code ${code}`));
    keeper.stdout?.once('data', () => resolve(undefined));
  });
}
