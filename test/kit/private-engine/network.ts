/**
 * A network namespace for one engine, so that its firewall rules and bridges never meet the machine's: a link joins it to
 * this machine, and nothing leads further. Containers reach servers of the tests at `hostAddress` and no other place.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { killChild } from './child-end.ts';
import { type ProcessRef, processRef } from './process-table.ts';
import { runProgram } from './run-program.ts';

export interface PrivateNetwork {
  /** An address of this machine that containers of the engine can reach. */
  readonly hostAddress: string;
  /** For `nsenter --net=`. */
  readonly namespacePath: string;
  readonly keeper: ProcessRef;
  /** Ends the keeper and with it the namespace. */
  close(): Promise<void>;
}

/**
 * The keeper is a process whose only work is to hold the namespace, and to notice, by the end of its input, that this
 * process has gone without tidying up, however that came: then it removes the run of `dir` itself.
 */
export async function createNetwork(dir: string): Promise<PrivateNetwork> {
  const remove = join(import.meta.dirname, 'remove-run-main.ts');
  const keeper = spawn(
    'unshare',
    ['--net', 'sh', '-c', 'read -r _ || exec "$@"', 'keeper', process.execPath, remove, dir],
    // A session of its own: Ctrl-C at the terminal must not end the keeper before it is needed.
    { stdio: ['pipe', 'ignore', 'ignore'], detached: true },
  );
  keeper.on('error', () => {}); // a program that cannot be started has no pid, which untilUnshared sees
  keeper.unref();
  const close = () => killChild(keeper);
  try {
    const ref = await untilUnshared(keeper);
    const namespacePath = `/proc/${ref.pid}/ns/net`;
    const number = await claimLink(ref.pid);
    const link = linkName(number);
    const hostAddress = `10.99.${number}.1`;
    await runProgram('ip', ['address', 'add', `${hostAddress}/24`, 'dev', link]);
    await runProgram('ip', ['link', 'set', link, 'up']);
    for (const command of [`address add 10.99.${number}.2/24 dev eth0`, 'link set eth0 up', 'link set lo up']) {
      await runProgram('nsenter', [`--net=${namespacePath}`, 'ip', ...command.split(' ')]);
    }
    return { hostAddress, namespacePath, keeper: ref, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function untilUnshared(keeper: ChildProcess): Promise<ProcessRef> {
  const own = readlinkSync('/proc/self/ns/net');
  const end = performance.now() + 5000;
  for (;;) {
    const ref = keeper.pid === undefined ? undefined : processRef(keeper.pid);
    if (!ref) throw new Error('a network namespace cannot be made here (unshare --net failed)');
    if (readlinkSync(`/proc/${ref.pid}/ns/net`) !== own) return ref;
    if (performance.now() > end) throw new Error('unshare --net made no namespace within 5 s');
    await pause(2);
  }
}

const linkName = (number: number) => `botrun-${number}`;

/** Takes a number whose subnet is free. Making the link is the claim: of two runs that want one name only one gets it. */
async function claimLink(keeperPid: number): Promise<number> {
  const taken = `${await runProgram('ip', ['-4', 'route'])}\n${await runProgram('ip', ['-4', '-o', 'address'])}`;
  let lastError: unknown;
  for (let number = 1; number < 255; number++) {
    if (taken.includes(`10.99.${number}.`)) continue;
    const peer = ['peer', 'name', 'eth0', 'netns', String(keeperPid)];
    try {
      await runProgram('ip', ['link', 'add', linkName(number), 'type', 'veth', ...peer]);
      return number;
    } catch (error) {
      lastError = error;
      if (!(error instanceof Error && error.message.includes('File exists'))) break;
    }
  }
  throw new Error('no free subnet 10.99.N.0/24 for a private network', { cause: lastError });
}
