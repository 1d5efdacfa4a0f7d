#!/usr/bin/env node
/**
 * Starts cli/main.ts with a Node.js that can run it. This file is plain JavaScript that Node.js 20 understands: package
 * managers start it with whatever `node` they find. Signals go to the program, and its exit code comes back.
 */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const neededMajor = 24;
const here = dirname(fileURLToPath(import.meta.url));
const majorOf = (version) => Number.parseInt(version, 10);

/** This Node.js if it will do, else that of the `node` package, installed beside this package or in it. */
function findNode() {
  if (majorOf(process.versions.node) >= neededMajor) return process.execPath;
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

const node = findNode();
if (node === undefined) {
  console.error(
    `Error: avtomatika-bot needs Node.js ${neededMajor} or newer, and this is ${process.versions.node}. ` +
      'Install a newer Node.js, or run "npm install" in the folder of the package.',
  );
  process.exit(1);
}

const installed = /[\\/]node_modules[\\/]/.test(here);
const args = process.argv.slice(2);
const program = join(here, '..', 'main.ts');

// In this process where that is the same: a second Node.js would double the time until the first answer.
if (node === process.execPath && !installed && !args.some((arg) => arg.startsWith('--env-file'))) {
  await import(pathToFileURL(program).href);
} else {
  start(node);
}

function start(node) {
  // Node.js strips types from .ts files, but not under node_modules; there a hook of ours does.
  const flags = installed ? ['--disable-warning=ExperimentalWarning', '--import', join(here, 'strip-types.js')] : [];
  // Without the "--" Node.js would take a bot's --env-file for its own and obey a NODE_OPTIONS in it, wherever it stands
  // (https://github.com/nodejs/node/issues/54232).
  const child = spawn(node, [...flags, '--', program, ...args], { stdio: 'inherit' });

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
