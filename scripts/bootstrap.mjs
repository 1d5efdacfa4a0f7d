/**
 * The door that every npm script goes through: brings the npm packages in when they are missing or not those of
 * package-lock.json, then runs the given script with the Node of node_modules, whatever Node the machine has.
 *
 *     node scripts/bootstrap.mjs                      sets up only
 *     node scripts/bootstrap.mjs scripts/x.ts [ARG..]  sets up, runs the script, ends with its exit code
 *
 * Plain JavaScript for Node 20 with nothing installed; never touches anything outside the checkout.
 */
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { installWhenNeeded, SetUpError } from './bootstrap/install.mjs';
import { runScript } from './bootstrap/run-script.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const [script, ...args] = process.argv.slice(2);

try {
  const nodePath = await installWhenNeeded(root);
  if (script !== undefined) process.exitCode = await runScript(root, nodePath, join(root, script), args);
} catch (error) {
  if (!(error instanceof SetUpError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = error.exitCode;
}
