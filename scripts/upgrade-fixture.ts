/**
 * Makes the folder of a former release for test/upgrade, by running that release: node scripts/upgrade-fixture.ts COMMIT NAME
 *
 * The release is checked out beside this one. Its programs, with the process runtime, get users, bots in every state and open
 * jobs, and are then killed. What they leave on disk, with a list of what was asked for, is packed as test/upgrade/NAME.tar.br.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkoutPath } from './process/checkout.ts';
import { packFolder } from './upgrade/archive.ts';
import { makeState } from './upgrade/make-state.ts';
import { recordDocker } from './upgrade/record-docker.ts';
import { openRelease } from './upgrade/release.ts';

const [commit, name] = process.argv.slice(2);
if (commit === undefined || name === undefined || !/^[a-z0-9.-]+$/.test(name)) {
  console.error('usage: node scripts/upgrade-fixture.ts COMMIT NAME');
  process.exit(2);
}
const folder = mkdtempSync(join(tmpdir(), 'upgrade-fixture-'));
try {
  const release = await openRelease(commit, join(folder, 'release'));
  try {
    const state = join(folder, 'state');
    const made = await makeState(release, state);
    const docker = await recordDocker(release, state);
    writeFileSync(join(state, 'made.json'), `${JSON.stringify({ commit, ...made, docker }, null, 2)}\n`);
    const archive = checkoutPath('test', 'upgrade', `${name}.tar.br`);
    await packFolder(state, archive);
    console.log(`wrote ${archive}`);
  } finally {
    await release.close();
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
