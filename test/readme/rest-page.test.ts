/** docs/REST.md shows what the orchestrator really answers. */
import { describe, it } from 'vitest';
import { missingProgram } from './programs.ts';
import { runPage } from './run-page.ts';

const skipReason = missingProgram('curl', 'git', 'unshare', 'nsenter', 'ip');

describe.skipIf(skipReason !== undefined)('docs/REST.md', { meta: { skipReason: skipReason ?? '' } }, () => {
  it('has examples that work as they stand, with the answers they get', { timeout: 180_000 }, async ({ skip }) => {
    await runPage('docs/REST.md', skip);
  });
});
