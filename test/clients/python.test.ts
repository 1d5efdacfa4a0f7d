/** The Python client of examples/clients, with Debian's python3-grpcio, against the real programs. */
import { delimiter, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { clientPackages, runReadmeClient } from './readme-client.ts';

describe('the Python client', () => {
  it('deploys a bot, watches its job, follows its log and reads a typed error', { timeout: 180_000 }, async ({
    skip,
  }) => {
    const tree = await clientPackages('python').catch((error: unknown) => {
      // A machine that is not a Debian, or cannot reach its archive.
      return skip(
        `Debian's gRPC packages are not to be had: ${error instanceof Error ? error.message : String(error)}`,
      );
    });
    const packages = join(tree.root, 'usr/lib/python3/dist-packages');
    const stdout = await runReadmeClient({
      language: 'python',
      tree,
      env: (stubs) => ({ PYTHONPATH: [stubs, packages].join(delimiter), PYTHONDONTWRITEBYTECODE: '1' }),
    });
    expect(stdout).toMatch(/^uploaded \d+ bytes$/m);
    expect(stdout).toMatch(/^job completed: JOB_STATUS_COMPLETED$/m);
    expect(stdout).toMatch(/^log: line 1$/m);
    expect(stdout).toContain('refused: NOT_FOUND BOT_NOT_FOUND: See your bots with the action "list".');
    expect(stdout).toMatch(/^stopped: stopped$/m);
  });
});
