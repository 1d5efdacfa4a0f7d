/**
 * Starts cli/main.ts with a Node.js that can run it. This file is plain JavaScript that Node.js 20 understands: package
 * managers start it with whatever `node` they find. Signals go to the program, and its exit code comes back.
 */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { enableCompileCache } from './compile-cache.js';

const neededMajor = 24;
const here = dirname(fileURLToPath(import.meta.url));
const majorOf = (version) => Number.parseInt(version, 10);

if (majorOf(process.versions.node) >= neededMajor) await runHere();
else runElsewhere();

async function runHere() {
  enableCompileCache();
  // Node.js strips types from .ts files, but not under node_modules; there a hook of ours does.
  if (/[\\/]node_modules[\\/]/.test(here)) await import('./strip-types.js');
  await import(pathToFileURL(join(here, '..', 'main.ts')).href);
}

function runElsewhere() {
  const node = findNode();
  if (node === undefined) {
    console.error(
      `Error: avtomatika-bot from the sources needs Node.js ${neededMajor} or newer, and this is ${process.versions.node}. ` +
        'Run "npm install" in their folder, which brings one, or install the package that "npm run pack:cli" makes.',
    );
    process.exit(1);
  }
  const child = spawn(node, ['--', join(here, 'avtomatika-bot.js'), ...process.argv.slice(2)], { stdio: 'inherit' });

  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));

  child.on('error', (error) => {
    console.error(`Error: ${node} cannot be started (${error.code}). Run "npm install" in the folder of the package.`);
    process.exit(1);
  });
  child.on('exit', (code, signal) => {
    // Killed by a signal: 128 and its number, as shells say it.
    process.exit(code ?? 128 + (constants.signals[signal] ?? 0));
  });
}

/** That of the `node` package, installed beside this package or in it. */
function findNode() {
  const file = process.platform === 'win32' ? 'node.exe' : 'node';
  for (let folder = here; ; folder = dirname(folder)) {
    const packageFolder = join(folder, 'node_modules', 'node');
    const executable = join(packageFolder, 'bin', file);
    if (existsSync(executable) && majorOf(versionOfPackage(packageFolder)) >= neededMajor) return executable;
    if (dirname(folder) === folder) return undefined;
  }
}

function versionOfPackage(folder) {
  try {
    return String(JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')).version);
  } catch {
    // A half-installed package is none.
    return '';
  }
}
