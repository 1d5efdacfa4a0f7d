/**
 * Starts a program's main.ts where this Node.js can run it, and says in one line what is missing where it cannot. Plain
 * JavaScript for Node.js 18 and newer, which would end at the first line of a .ts file with a stack trace.
 */
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

const neededMajor = 24;
const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** What is wrong with a version of Node.js; undefined when it will do. */
export function complaintAbout(version) {
  if (Number.parseInt(version, 10) >= neededMajor) return undefined;
  return `Node.js ${neededMajor} or newer is needed, and this is ${version}`;
}

/** `name`: the program's, as npm's script for it. Ends this process with 1 when it cannot be started. */
export async function startMain(name, url) {
  const complaint = complaintAbout(process.versions.node);
  if (complaint !== undefined) refuse(name, `${complaint}: install it, or use "npm run ${name}", which brings one`);
  try {
    await import(url);
  } catch (error) {
    // Ours are all there; of the packages the first one that is imported is named.
    if (error?.code !== 'ERR_MODULE_NOT_FOUND' || !/^Cannot find package/.test(error.message)) throw error;
    refuse(name, `the npm packages are not installed: run "npm ci --omit=dev --ignore-scripts" in ${root}`);
  }
}

function refuse(name, line) {
  process.stderr.write(`${name}: ${line}\n`);
  process.exit(1);
}
