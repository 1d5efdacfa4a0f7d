/** Runs the machine's npm, bounded in time, its words kept for the case that it fails. */
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { delimiter, join } from 'node:path';
import { SetUpError } from './set-up-error.mjs';

const longestMs = 15 * 60_000;
const longestOutput = 64 * 1024;

/**
 * @param {string} root
 * @param {string[]} args
 * @param {import('./install-lock.mjs').Holder} holder told npm's pid, so that nobody takes the lock while npm lives on
 * @returns {Promise<{ code: number, output: string }>} output: its last 64 KiB
 */
export function runNpm(root, args, holder) {
  return new Promise((resolve, reject) => {
    /** @type {NodeJS.Signals | undefined} */
    let interruptedBy;
    /** @type {import('node:child_process').ChildProcess | undefined} */
    let running;
    const interrupt = (/** @type {NodeJS.Signals} */ signal) => {
      interruptedBy = signal;
      running?.kill('SIGTERM');
    };
    // Before npm is started: a signal in between would end only us and leave npm and the lock behind.
    process.on('SIGINT', interrupt).on('SIGTERM', interrupt);
    const child = spawn('npm', args, { cwd: root, env: machineEnv(root), stdio: ['ignore', 'pipe', 'pipe'] });
    running = child;
    holder.noteChild(child.pid);
    let output = '';
    const keep = (/** @type {Buffer} */ chunk) => {
      output = (output + chunk.toString('utf8')).slice(-longestOutput);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);

    const timer = setTimeout(() => child.kill('SIGTERM'), longestMs);
    const finish = () => {
      clearTimeout(timer);
      process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
    };

    child.on('error', (error) => {
      finish();
      reject(
        new SetUpError(
          `npm could not be started: ${error.message}\nCure: install Node.js with npm (Node 20 or newer).`,
        ),
      );
    });
    child.on('close', (code) => {
      finish();
      if (interruptedBy === undefined) return resolve({ code: code ?? 1, output });
      reject(new SetUpError('Set-up interrupted.', 128 + constants.signals[interruptedBy]));
    });
  });
}

/**
 * Our environment with the Node of node_modules taken off PATH: npm must not run on the program it is about to replace.
 * @param {string} root
 */
function machineEnv(root) {
  const own = join(root, 'node_modules', '.bin');
  const path = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== own);
  return { ...process.env, PATH: path.join(delimiter) };
}
