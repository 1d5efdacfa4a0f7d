/**
 * Brings node_modules to what package-lock.json says, once, however many set-ups run at the same time.
 * Invariant: npm's own record in node_modules (.package-lock.json) is removed before an install begins and written by npm
 * at its end, so an install that was cut off is never taken for a whole one.
 */
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { withInstallLock } from './install-lock.mjs';
import { differencesFromManifest, differencesFromRecord, recordPath } from './installed.mjs';
import { runNpm } from './npm.mjs';
import { SetUpError } from './set-up-error.mjs';

export { SetUpError };

/** The oldest Node that runs our TypeScript as it is and has node:sqlite without a flag. */
const oldestNode = 24;

/**
 * Installs if needed; returns the path of a Node that can run our scripts.
 * @param {string} root the checkout
 * @returns {Promise<string>}
 */
export async function installWhenNeeded(root) {
  if (isReady(root)) return nodePathOf(root);
  const mismatch = differencesFromManifest(root);
  if (mismatch.length > 0) {
    throw new SetUpError(
      `package.json and package-lock.json disagree (${mismatch.slice(0, 3).join(', ')}).\n` +
        'Cure: npm install && npm run complete-lock',
    );
  }
  return withInstallLock(root, async (holder) => {
    // Another set-up may have done it while this one waited for the lock.
    if (isReady(root)) return nodePathOf(root);
    await install(root, holder);
    const left = differencesFromRecord(root);
    if (left.length > 0) {
      throw new SetUpError(
        `npm ended well, but node_modules is not what package-lock.json says (${left.slice(0, 3).join(', ')}).\n` +
          'Cure: rm -r node_modules, then run the same command again.',
      );
    }
    const found = nodeVersion(root);
    if (found < oldestNode) {
      throw new SetUpError(
        `node_modules/.bin/node ${found === 0 ? 'does not run' : `is Node ${found}, older than ${oldestNode}`}.\n` +
          'Cure: npm rebuild node --ignore-scripts=false (the package puts its program in place by an install script).',
      );
    }
    return nodePathOf(root);
  });
}

/** @param {string} root */
const isReady = (root) => differencesFromRecord(root).length === 0 && nodeVersion(root) >= oldestNode;

/** @param {string} root */
const nodePathOf = (root) => join(root, 'node_modules', '.bin', 'node');

/**
 * The major version of the installed Node; 0 when it is missing or does not run.
 * @param {string} root
 * @returns {number}
 */
function nodeVersion(root) {
  const { status, stdout } = spawnSync(nodePathOf(root), ['--version'], { encoding: 'utf8', timeout: 20_000 });
  return status === 0 ? Number(/^v(\d+)\./.exec(stdout)?.[1] ?? 0) : 0;
}

/**
 * `npm ci`; where that refuses the lock file itself (npm wants entries for packages of other systems that it could not
 * see when the lock was written), `npm install` with the same lock, which is left as it is.
 * @param {string} root
 * @param {import('./install-lock.mjs').Holder} holder
 */
async function install(root, holder) {
  process.stderr.write('Setting up: installing the npm packages (once; about half a minute) ...\n');
  rmSync(recordPath(root), { force: true });
  const quiet = ['--include=dev', '--no-audit', '--no-fund', '--no-progress', '--loglevel=error'];
  const first = await runNpm(root, ['ci', ...quiet], holder);
  if (first.code === 0) return;
  const refusedLock = /code EUSAGE|in sync/.test(first.output);
  const last = refusedLock ? await runNpm(root, ['install', '--no-save', ...quiet], holder) : first;
  if (last.code === 0) return;
  throw new SetUpError(
    `${last.output.trimEnd()}\nThe npm packages could not be installed.\nCure: ${cureFor(last.output)}`,
  );
}

/** @param {string} output what npm printed */
function cureFor(output) {
  if (/ENOSPC/.test(output)) return 'free disk space, then run the same command again.';
  if (/EACCES|EPERM|EROFS/.test(output)) return 'make the checkout and ~/.npm writable for this user, then try again.';
  if (/ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|network/i.test(output)) {
    return 'check that npm reaches its registry (npm ping), then run the same command again.';
  }
  return 'run "npm ci" in the checkout to see it in full, fix what it names, then run the same command again.';
}
