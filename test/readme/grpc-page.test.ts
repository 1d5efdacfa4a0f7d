/** docs/GRPC.md shows calls that work. */
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'vitest';
import { checkoutPath } from '../../scripts/process/checkout.ts';
import { fencedBlocks } from './fenced-blocks.ts';
import { missingProgram } from './programs.ts';
import { runPage } from './run-page.ts';

const page = 'docs/GRPC.md';
const skipReason = missingProgram('curl', 'tar', 'git', 'unshare', 'nsenter', 'ip');
// Run by test/clients, which brings the gRPC packages and generators of the languages.
const isForeignClient = /examples\/clients\/|^go install /;

describe.skipIf(skipReason !== undefined)(page, { meta: { skipReason: skipReason ?? '' } }, () => {
  it('has calls that work as they stand, with the answers they get', { timeout: 180_000 }, async ({ skip }) => {
    const dir = mkdtempSync(join(tmpdir(), 'grpc-page-'));
    try {
      // Its imports are looked for in the folders above a file.
      symlinkSync(checkoutPath('node_modules'), join(dir, 'node_modules'));
      const saved = fencedBlocks(readFileSync(checkoutPath(page), 'utf8')).filter(({ file }) => file !== undefined);
      await runPage(page, skip, {
        leftOut: (command) => isForeignClient.test(command),
        adapt(command, adapted) {
          const file = saved.find((block) => command.endsWith(` ${block.file}`));
          if (file?.file === undefined) return adapted(command);
          const path = join(dir, file.file);
          writeFileSync(path, adapted(file.text));
          return command.replace(file.file, path);
        },
      });
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  });
});
