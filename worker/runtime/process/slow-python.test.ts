/** A Python that is slow to answer, as behind a shim on a loaded machine, is no reason to refuse every bot. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { processRuntimeIn } from '../../../test/kit/process-runtime.ts';
import { checkLimitMs } from '../../engine/engine-watch.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'slow-python-'));
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(dir, { recursive: true, force: true });
});

it('the runtime answers within the limit of the question, and does not claim that there is no Python', async () => {
  const bin = join(dir, 'bin');
  mkdirSync(bin);
  writeFileSync(join(bin, 'python3.11'), '#!/bin/sh\nexec sleep 30\n');
  chmodSync(join(bin, 'python3.11'), 0o755);
  vi.stubEnv('PATH', `${bin}:/usr/bin:/bin`);
  const { version } = await processRuntimeIn(dir).info(AbortSignal.timeout(checkLimitMs));
  expect(version).toMatch(/^processes, Node [0-9.]+, Python not found yet$/);
});
