/** The Python client of examples/clients, with Debian's python3-grpcio, against the real programs. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { startTestPlatform } from '../kit/platform-for-tests.ts';
import { debianPackages } from '../kit/private-engine/debian-packages.ts';
import { defaultCacheDir } from '../kit/private-engine/private-engine.ts';

const run = promisify(execFile);
const checkout = join(import.meta.dirname, '../..');
const python = '/usr/bin/python3';
const packages = ['python3-grpcio', 'python3-protobuf', 'protobuf-compiler', 'protobuf-compiler-grpc'];

describe('the Python client', () => {
  it('deploys a bot, watches its job, follows its log and reads a typed error', { timeout: 180_000 }, async ({
    skip,
  }) => {
    const tree = await debianPackages(join(defaultCacheDir, 'grpc-python'), packages).catch((error: unknown) => {
      // A machine that is not a Debian, or cannot reach its archive.
      return skip(
        `Debian's gRPC packages are not to be had: ${error instanceof Error ? error.message : String(error)}`,
      );
    });
    const dir = mkdtempSync(join(tmpdir(), 'python-client-'));
    const env = {
      ...process.env,
      PATH: `${tree.programPath()}:${process.env['PATH']}`,
      LD_LIBRARY_PATH: (await tree.libraryFolders()).join(':'),
      PYTHONPATH: join(tree.root, 'usr/lib/python3/dist-packages'),
    };
    await using platform = await startTestPlatform({ RUNTIME: 'process' });
    try {
      await run(
        join(checkout, 'node_modules/.bin/buf'),
        ['generate', '--template', 'examples/clients/python/buf.gen.yaml'],
        { cwd: checkout, env },
      );
      const bot = join(dir, 'bot.py');
      writeFileSync(bot, 'import time\nfor n in range(1, 1000):\n  print("line", n, flush=True)\n  time.sleep(0.2)\n');
      const { stdout } = await run(python, [join(checkout, 'examples/clients/python/deploy.py'), 'py-bot', bot], {
        env: { ...env, AVTOMATIKA_TOKEN: 'test-client-token', AVTOMATIKA_ADDRESS: `127.0.0.1:${platform.port}` },
        timeout: 120_000,
      });
      expect(stdout).toMatch(/^uploaded \d+ bytes$/m);
      expect(stdout).toMatch(/^job completed: JOB_STATUS_COMPLETED$/m);
      expect(stdout).toMatch(/^log: line 1$/m);
      expect(stdout).toContain('refused: NOT_FOUND BOT_NOT_FOUND: See your bots with: avtomatika-bot list');
      expect(stdout).toMatch(/^stopped: stopped$/m);
    } finally {
      rmSync(dir, { recursive: true });
      rmSync(join(checkout, 'examples/clients/python/stubs'), { recursive: true, force: true });
    }
  });
});
