/**
 * How long the packed command line takes for `list`, beside `node -e 0` of the same Node.js in the same run:
 *
 *     node bench/cli-start.ts [RUNS] [NODE...]
 *
 * It packs and installs the program, starts an orchestrator in a process of its own, and runs both in turns; the ratio is taken
 * pair by pair. NODE are paths of programs; default: the one in PATH. The checkout's own launcher comes last.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { endProgram, startProgram, untilUp } from '../scripts/platform/children.ts';
import { freePort } from '../scripts/platform/free-port.ts';
import { checkoutPath } from '../scripts/process/checkout.ts';
import { installGlobally, packCli, pathWithNode } from '../test/kit/packed-cli/packed-cli.ts';
import { median } from './quantile.ts';

const [runsText = '21', ...given] = process.argv.slice(2);
const runs = Number(runsText);
const withoutOwn = (process.env['PATH'] ?? '')
  .split(':')
  .filter((part) => !part.startsWith(checkoutPath('node_modules')));
const inPath = execFileSync('/bin/sh', ['-c', 'command -v node'], {
  env: { PATH: withoutOwn.join(':') },
  encoding: 'utf8',
});
const nodes = given.length > 0 ? given : [inPath.trim()];

const folder = mkdtempSync(join(tmpdir(), 'bench-'));
const port = await freePort();
const url = `http://127.0.0.1:${port}`;
const orchestrator = startProgram('orchestrator', {
  env: { ...process.env, PORT: String(port), DATA_DIR: folder },
  logFile: join(folder, 'orchestrator.log'),
});
try {
  await untilUp(orchestrator, AbortSignal.timeout(30_000));
  const packed = await installGlobally(await packCli(join(folder, 'dist')), join(folder, 'prefix'));
  for (const [index, node] of nodes.entries()) {
    const path = pathWithNode(node, join(folder, `path-${index}`));
    compare('packed', node, path, packed);
    compare('checkout', node, path, checkoutPath('cli', 'bin', 'avtomatika-bot.js'));
  }
} finally {
  await endProgram(orchestrator);
  rmSync(folder, { recursive: true, force: true });
}

function compare(name: string, node: string, path: string, program: string): void {
  const env = { PATH: path, HOME: folder, AVTOMATIKA_URL: url, AVTOMATIKA_TOKEN: 'test-client-token' };
  const list = () => timeMs(program, ['list'], env);
  const bare = () => timeMs(node, ['-e', '0'], env);
  // Twice unmeasured: the first run of a user fills the cache of compiled code.
  for (let warm = 0; warm < 2; warm++) [list(), bare()];
  const pairs = Array.from({ length: runs }, () => [list(), bare()] as const);
  const ratio = median(pairs.map(([one, other]) => one / other));
  const version = execFileSync(node, ['--version'], { encoding: 'utf8' }).trim();
  const [one, other] = [median(pairs.map(([ms]) => ms)), median(pairs.map(([, ms]) => ms))];
  console.log(
    `${name.padEnd(9)} ${version.padEnd(9)} list ${one.toFixed(0)} ms, node -e 0 ${other.toFixed(0)} ms, ` +
      `ratio ${ratio.toFixed(2)} (median of ${runs} pairs), ${peakMiB(program, env).toFixed(0)} MiB`,
  );
}

function timeMs(program: string, words: readonly string[], env: NodeJS.ProcessEnv): number {
  const begun = performance.now();
  const { status, stderr } = spawnSync(program, words, { env, stdio: ['ignore', 'ignore', 'pipe'], encoding: 'utf8' });
  const took = performance.now() - begun;
  if (status !== 0) throw new Error(`${program} ${words.join(' ')} ended with ${status}: ${stderr}`);
  return took;
}

/** The largest of its processes, by their own account at their end. */
function peakMiB(program: string, env: NodeJS.ProcessEnv): number {
  const reporter = join(folder, 'peak.cjs');
  writeFileSync(reporter, 'process.on("exit", () => console.error(`peak ${process.resourceUsage().maxRSS}`));\n');
  const { stderr } = spawnSync(program, ['list'], {
    env: { ...env, NODE_OPTIONS: `--require=${reporter}` },
    encoding: 'utf8',
  });
  return Math.max(...[...stderr.matchAll(/^peak (\d+)$/gm)].map(([, kib]) => Number(kib))) / 1024;
}
