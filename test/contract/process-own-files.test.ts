import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe } from 'vitest';
import { findPython } from '../../worker/runtime/process/interpreters.ts';
import { processRuntimeIn } from '../kit/process-runtime.ts';
import { patience } from './harness.ts';
import { describeOwnFiles } from './own-files.ts';

const python = await findPython(patience());

describe.skipIf(!python)('the process runtime', () => {
  const dir = mkdtempSync(join(tmpdir(), 'own-files-'));
  const workerId = 'worker-o';
  afterAll(() => rmSync(dir, { recursive: true }));
  describeOwnFiles({
    host: () => '127.0.0.1',
    runtime: (buildSettings) => processRuntimeIn(dir, { workerId, buildSettings }),
    userId: 'own-files',
    workerId,
  });
});
