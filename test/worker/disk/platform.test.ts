/** The whole platform: bots that fill the disk are stopped with the reason in their status, and nobody else is. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { loadBaseImages } from '../../kit/base-images/base-images.ts';
import { eventually } from '../../kit/eventually.ts';
import { startTestPlatform, type TestPlatform } from '../../kit/platform-for-tests.ts';
import { type PrivateEngine, startPrivateEngine } from '../../kit/private-engine/private-engine.ts';

const given = inject('docker');

/** The disk loses space quickly, so that all are measured at once. Writes files of 8 MiB as quickly as it can, up to 400 MiB, and deletes each while it is open. */
const greedy = `import os, time
kept = []
for n in range(50):
    kept.append(open(f"/tmp/{n}", "wb", buffering=0))
    kept[-1].write(b"x" * 8 * 1024 * 1024)
    os.remove(f"/tmp/{n}")
print("written", flush=True)
time.sleep(600)
`;
const hoarder = `import time
open("/data/hoard", "wb").write(b"x" * 40 * 1024 * 1024)
print("written", flush=True)
time.sleep(600)
`;
const modest =
  'import time\nopen("/data/a", "wb").write(b"x" * 1024 * 1024)\nprint("up", flush=True)\ntime.sleep(600)\n';

describe.skipIf('skip' in given)('bots that fill the disk', { timeout: 180_000 }, () => {
  const dir = mkdtempSync(join(tmpdir(), 'disk-platform-'));
  let engine: PrivateEngine;
  let platform: TestPlatform;
  beforeAll(async () => {
    engine = await startPrivateEngine();
    await loadBaseImages(engine.dockerHost, engine.packages, ['python']);
    platform = await startTestPlatform({
      RUNTIME: 'docker',
      DOCKER_HOST: engine.dockerHost,
      DISK_LIMITS: 'watch',
      BOT_DISK_LIMIT: '32m',
      BOT_LAYER_LIMIT: '64m',
    });
  }, 180_000);
  afterAll(async () => {
    await platform?.[Symbol.asyncDispose]();
    await engine?.stop();
    rmSync(dir, { recursive: true });
  }, 60_000);

  it('are stopped, whatever they hide, and say why; others run on, and more space helps', async () => {
    for (const [name, code] of Object.entries({ modest, hoarder, greedy })) {
      const file = join(dir, `${name}.py`);
      writeFileSync(file, code);
      expect(await platform.cli(['start', name, '--simple', file])).toMatchObject({ code: 0 });
    }
    const exited = (name: string) =>
      eventually(
        `${name} is stopped`,
        () => platform.status(name),
        ({ status }) => status === 'exited',
        {
          timeoutMs: 120_000,
        },
      );
    expect((await exited('greedy'))['reason']).toMatch(
      /^stopped because it has written \d+ MiB of 64 MiB outside \/data/,
    );
    expect((await exited('hoarder'))['reason']).toMatch(/^stopped because it has written 4\d MiB of 32 MiB in \/data/);
    const rest = await platform.status('modest');
    expect(rest).toMatchObject({ status: 'running', restarts: 0, disk: { limit_mb: 32, layer_limit_mb: 64 } });
    expect(rest).toMatchObject({ protection: { read_only: false, user: '10001:10001', disk: 'watch' } });
    expect((await platform.cli(['status', 'modest'])).stdout).toMatch(/Disk\s+\d+ of 32 MiB in \/data/);

    const more = ['update', 'hoarder', '--simple', join(dir, 'hoarder.py'), '--disk', '64m'];
    expect(await platform.cli(more)).toMatchObject({ code: 0 });
    expect(
      await platform.cli(['update', 'hoarder', '--simple', join(dir, 'hoarder.py'), '--disk', '99g']),
    ).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('disk'),
    });
    expect(await platform.status('hoarder')).toMatchObject({ status: 'running' });
  });
});
