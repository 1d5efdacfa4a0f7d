/** Runs one script with the given Node, as if it had been started directly: same terminal, signals, exit code. */
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { delimiter, join } from 'node:path';

/**
 * @param {string} root
 * @param {string} nodePath
 * @param {string} script
 * @param {string[]} args
 * @returns {Promise<number>} its exit code; 128 + number when a signal ended it, as shells say it
 */
export function runScript(root, nodePath, script, args) {
  const path = [join(root, 'node_modules', '.bin'), process.env.PATH].filter(Boolean).join(delimiter);
  return new Promise((resolve, reject) => {
    const child = spawn(nodePath, [script, ...args], { stdio: 'inherit', env: { ...process.env, PATH: path } });
    // Ctrl-C reaches the whole process group: on a terminal the child has it already, and a second SIGINT would read as
    // "at once". From elsewhere (kill, a service manager, npm without a terminal) it comes to us alone.
    const onTerminal = process.stdin.isTTY === true;
    process.on('SIGINT', () => onTerminal || child.kill('SIGINT'));
    process.on('SIGTERM', () => child.kill('SIGTERM'));
    process.on('SIGHUP', () => child.kill('SIGHUP'));
    child.on('error', reject);
    child.on('exit', (code, signal) => resolve(signal === null ? (code ?? 1) : 128 + constants.signals[signal]));
  });
}
