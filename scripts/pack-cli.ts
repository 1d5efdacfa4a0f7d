/**
 * Makes the command line a package of its own: plain JavaScript for Node.js 20 and newer, without anything to install
 * besides. npm run pack:cli [-- FOLDER] writes FOLDER/avtomatika-bot-VERSION.tgz; the default is dist.
 */
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { version } from '#common/version.ts';
import { bundleCli, oldestNode } from './pack-cli/bundle.ts';
import { thirdPartyNotices } from './pack-cli/notices.ts';
import { checkoutPath } from './process/checkout.ts';
import { interrupted } from './process/interrupted.ts';
import { run } from './process/run.ts';

const folder = resolve(process.argv[2] ?? checkoutPath('dist'));
const staging = mkdtempSync(join(tmpdir(), 'pack-cli-'));
try {
  const { packages } = await bundleCli(join(staging, 'lib'));
  writeFileSync(join(staging, 'package.json'), `${JSON.stringify(manifest(), null, 2)}\n`);
  writeFileSync(join(staging, 'THIRD-PARTY-NOTICES.md'), thirdPartyNotices(packages));
  cpSync(checkoutPath('cli', 'package', 'README.md'), join(staging, 'README.md'));
  cpSync(checkoutPath('LICENSE'), join(staging, 'LICENSE'));
  const program = join(staging, 'bin', 'avtomatika-bot.js');
  cpSync(checkoutPath('cli', 'package', 'avtomatika-bot.js'), program);
  chmodSync(program, 0o755);
  mkdirSync(folder, { recursive: true });
  const args = ['pack', '--ignore-scripts', '--silent', '--pack-destination', folder, staging];
  const packed = await run('npm', args, { signal: interrupted() });
  if (packed.code === 0) console.log(join(folder, packed.stdout.trim()));
  else {
    console.error(`${packed.output.trimEnd()}\nnpm pack failed.`);
    process.exitCode = 1;
  }
} finally {
  rmSync(staging, { recursive: true, force: true });
}

function manifest(): object {
  // Our own file.
  const { license } = JSON.parse(readFileSync(checkoutPath('package.json'), 'utf8')) as { license: string };
  return {
    name: 'avtomatika-bot',
    version,
    description: 'The command line of Bot Runner, a self-hosted platform for long-running bots',
    license,
    type: 'commonjs',
    bin: { 'avtomatika-bot': 'bin/avtomatika-bot.js' },
    files: ['bin', 'lib', 'THIRD-PARTY-NOTICES.md'],
    engines: { node: `>=${oldestNode}` },
  };
}
