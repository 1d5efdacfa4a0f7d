/** Runs the CLI as a user would, showing the command and what it prints; and quietly, to clear up. */
import { execFile, spawn } from 'node:child_process';
import { promisify } from 'node:util';
import { checkoutPath } from '../process/checkout.ts';

const program = checkoutPath('cli', 'bin', 'avtomatika-bot.js');
const clearUpMs = 60_000;

const quoted = (arg: string): string => (/^[\w@%+=:,./-]+$/.test(arg) ? arg : `"${arg}"`);

/** Throws when the command ends with a code other than 0; its own output is already on the terminal. */
export async function avtomatikaBot(
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  signal: AbortSignal,
): Promise<void> {
  process.stdout.write(`\n$ avtomatika-bot ${args.map(quoted).join(' ')}\n`);
  const child = spawn(process.execPath, ['--', program, ...args], {
    env,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  const stop = () => child.kill('SIGINT');
  signal.addEventListener('abort', stop, { once: true });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', resolve);
  });
  signal.removeEventListener('abort', stop);
  signal.throwIfAborted();
  if (code !== 0) throw new Error(`avtomatika-bot ${args[0]} ended with code ${code}`);
}

/**
 * Deletes every bot of the platform with its data. Nobody could do it later: the demo's worker takes with it what it
 * knows its containers by. Throws when that is not done within a minute.
 */
export async function deleteBots(env: NodeJS.ProcessEnv): Promise<void> {
  const signal = AbortSignal.timeout(clearUpMs);
  const run = (...args: string[]) => promisify(execFile)(process.execPath, [program, ...args], { env, signal });
  const { bots } = JSON.parse((await run('list', '--json')).stdout) as { bots: readonly { bot_id: string }[] };
  await Promise.all(bots.map(({ bot_id }) => run('delete', bot_id, '--purge', '--yes')));
}
