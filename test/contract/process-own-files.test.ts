import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe } from 'vitest';
import { systemClock } from '#common/clock.ts';
import { silentLogger } from '#common/log.ts';
import { Secret } from '#common/secret.ts';
import { findPython } from '../../worker/runtime/process/interpreters.ts';
import { createProcessRuntime } from '../../worker/runtime/process/process-runtime.ts';
import { patience } from './harness.ts';
import { describeOwnFiles } from './own-files.ts';

const python = await findPython(patience());

describe.skipIf(!python)('the process runtime', () => {
  const dir = mkdtempSync(join(tmpdir(), 'own-files-'));
  const workerId = 'worker-o';
  afterAll(() => rmSync(dir, { recursive: true }));
  describeOwnFiles({
    host: () => '127.0.0.1',
    runtime: (buildSettings) =>
      createProcessRuntime({
        dir,
        workerId,
        signingKey: new Secret<Uint8Array>(new Uint8Array(32).fill(1)),
        sealKey: new Secret<Uint8Array>(new Uint8Array(32).fill(2)),
        buildSettings,
        clock: systemClock,
        logger: silentLogger,
      }),
    userId: 'own-files',
    workerId,
  });
});
