/** The Ruby client of examples/clients, with Debian's ruby-grpc, against the real programs. */
import { readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { PackageTree } from '../kit/private-engine/debian-packages.ts';
import { clientPackages, runReadmeClient } from './readme-client.ts';

/** Debian's Ruby looks in folders of the system; these say where the same folders of the unpacked packages are. */
async function rubyFolders(tree: PackageTree): Promise<{ readonly libraries: string[]; readonly gems: string[] }> {
  const bases = [join(tree.root, 'usr/lib'), ...(await tree.libraryFolders())];
  const version = readdirSync(join(tree.root, 'usr/lib/ruby')).find((name) => /^\d+\.\d+\.\d+$/.test(name));
  if (!version) throw new Error(`no Ruby was unpacked to ${tree.root}`);
  return {
    libraries: [
      join(tree.root, 'usr/lib/ruby/vendor_ruby'),
      ...bases.flatMap((base) => [join(base, 'ruby/vendor_ruby', version), join(base, 'ruby', version)]),
    ],
    gems: [
      join(tree.root, 'usr/share/rubygems-integration/all'),
      ...bases.map((base) => join(base, 'rubygems-integration', version)),
    ],
  };
}

describe('the Ruby client', () => {
  it('deploys a bot, watches its job, follows its log and reads a typed error', { timeout: 180_000 }, async ({
    skip,
  }) => {
    const tree = await clientPackages('ruby').catch((error: unknown) => {
      // A machine that is not a Debian, or cannot reach its archive.
      return skip(
        `Debian's gRPC packages are not to be had: ${error instanceof Error ? error.message : String(error)}`,
      );
    });
    const { libraries, gems } = await rubyFolders(tree);
    const stdout = await runReadmeClient({
      language: 'ruby',
      tree,
      env: (stubs) => ({ RUBYLIB: [stubs, ...libraries].join(delimiter), GEM_PATH: gems.join(delimiter) }),
    });
    expect(stdout).toMatch(/^uploaded \d+ bytes$/m);
    expect(stdout).toMatch(/^job completed: JOB_STATUS_COMPLETED$/m);
    expect(stdout).toMatch(/^log: line 1$/m);
    expect(stdout).toContain('refused: NOT_FOUND BOT_NOT_FOUND: List your bots with the action "list".');
    expect(stdout).toMatch(/^stopped: stopped$/m);
  });
});
