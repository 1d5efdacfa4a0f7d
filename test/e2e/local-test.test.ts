/** examples/local_test, the guide's test without Docker: three terminals, played by three processes. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { freePort } from '../../scripts/platform/free-port.ts';
import { eventually } from '../kit/eventually.ts';

const checkout = join(import.meta.dirname, '../..');
const run = promisify(execFile);

const hasPython = await run('python3', ['--version']).then(
  () => true,
  () => false,
);
const ended = (child: ChildProcess) => new Promise((resolve) => child.once('exit', resolve));

describe.skipIf(!hasPython)('the local test', { timeout: 60_000, meta: { skipReason: 'there is no python3' } }, () => {
  it('answers every request as promised, with the Python worker', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'local-test-'));
    const port = await freePort();
    const url = `http://localhost:${port}`;
    const env = {
      ...process.env,
      PORT: String(port),
      DATA_DIR: dir,
      LOG_LEVEL: 'warn',
      ORCHESTRATOR_URL: url,
      AVTOMATIKA_URL: url,
    };
    const server = spawn('node', ['examples/local_test/orchestrator_server.mjs'], {
      cwd: checkout,
      env,
      stdio: 'ignore',
    });
    const worker = spawn('python3', ['examples/local_test/worker_client.py'], {
      cwd: checkout,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let said = '';
    worker.stdout.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
    try {
      await eventually(
        'the worker has registered',
        () => said,
        (text) => text.includes('registered as local-worker'),
        { timeoutMs: 30_000 },
      );
      const { stdout } = await run('bash', ['examples/local_test/test_requests.sh'], { cwd: checkout, env });
      expect(stdout.split('\n').filter((line) => line.startsWith('ok '))).toHaveLength(10);
      expect(stdout).toContain('All requests were answered as promised.');
    } finally {
      const over = [ended(worker), ended(server)];
      worker.kill('SIGTERM');
      server.kill('SIGTERM');
      await Promise.all(over);
      rmSync(dir, { recursive: true });
    }
  });
});
