/**
 * Every test process has a folder for temporary files of its own, and nothing of it outlives the process, however that ends: by its
 * last test, by Ctrl-C, by SIGKILL. vitest runs this file in each process before the tests (`setupFiles`).
 *
 * A shell is started beside the process and waits for its end. Then it ends what the process left running, which it knows by the
 * folder: in the environment (TMPDIR, DATA_DIR), or on the command line. After that it removes the folder.
 */
import { spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const started = Symbol.for('botrunner.leave-nothing');
const once = globalThis as { [started]?: true };

if (once[started] === undefined) {
  once[started] = true;
  // A private engine's folder has mounts in it and a keeper of its own (private-engine/network.ts).
  process.env['BOTRUNNER_ENGINES_DIR'] ??= tmpdir();
  const folder = mkdtempSync(join(tmpdir(), 'botrunner-t-'));
  // Servers of tests run as other users, who may reach what is theirs in it.
  chmodSync(folder, 0o711);
  process.env['TMPDIR'] = folder;
  const script = readFileSync(join(import.meta.dirname, 'keeper.sh'), 'utf8');
  // Its own session, so that Ctrl-C does not reach it; no argument or variable of it may name the folder.
  const keeper = spawn('sh', ['-c', script], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
    env: { PATH: process.env['PATH'] ?? '/usr/bin:/bin' },
    cwd: '/',
  });
  keeper.on('error', () => undefined); // a machine without a shell has leftovers, and its tests run anyway
  keeper.stdin.on('error', () => undefined);
  keeper.stdin.write(`${folder}\n`);
  keeper.unref();
  // The pipe stays open until this process is gone, and, like the child, does not keep it from ending.
  (keeper.stdin as unknown as { unref?: () => void }).unref?.();
}
