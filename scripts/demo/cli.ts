/** Runs the CLI as a user would, showing the command and what it prints. */
import { spawn } from 'node:child_process';
import { checkoutPath } from '../process/checkout.ts';

const quoted = (arg: string): string => (/^[\w@%+=:,./-]+$/.test(arg) ? arg : `"${arg}"`);

/** Throws when the command ends with another code than 0; its own words are on the terminal by then. */
export async function avtomatikaBot(
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  signal: AbortSignal,
): Promise<void> {
  process.stdout.write(`\n$ avtomatika-bot ${args.map(quoted).join(' ')}\n`);
  const child = spawn(process.execPath, [checkoutPath('cli', 'bin', 'avtomatika-bot.js'), ...args], {
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
