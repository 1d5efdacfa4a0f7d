/** STRANGERS=1 on a real engine, with the real programs and the real command line: what holds, and what happens when it does not. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { builderImageName } from '../kit/builder-image.ts';
import { eventually } from '../kit/eventually.ts';
import { type FakeTelegram, startFakeTelegram } from '../kit/fake-telegram/fake-telegram.ts';
import type { JsonBody } from '../kit/orchestrator-for-tests.ts';
import { startTestPlatform, type TestPlatform } from '../kit/platform-for-tests.ts';
import { debianPackages } from '../kit/private-engine/debian-packages.ts';
import { defaultCacheDir } from '../kit/private-engine/private-engine.ts';
import { usableDocker } from '../kit/test-docker.ts';

const given = inject('docker');
const docker = usableDocker(given);
const longMs = 240_000;
const reason =
  'skip' in given
    ? given.skip
    : docker.podman !== undefined
      ? 'it is refused on Podman'
      : docker.namespacePath === undefined && 'the engine is not private: its network is not to be changed';

const tokens = {
  CLIENT_TOKEN: 'client-token-of-our-own-with-more-than-32-characters',
  WORKER_TOKEN: 'worker-token-of-our-own-with-more-than-32-characters',
  ADMIN_TOKEN: 'admin-token-of-our-own-with-more-than-32-characters',
};

describe.skipIf(reason)('with STRANGERS=1 on a real engine', { timeout: longMs }, () => {
  let platform: TestPlatform;
  let telegram: FakeTelegram;

  beforeAll(async () => {
    const tree = await debianPackages(join(defaultCacheDir, 'nft'), ['nftables']);
    telegram = await startFakeTelegram({ host: docker.hostAddress, tokens: [] });
    platform = await startTestPlatform({
      RUNTIME: 'docker',
      DOCKER_HOST: docker.host,
      DOCKER_NETWORK: 'strangers_bots',
      PATH: `${tree.programPath()}:${process.env['PATH']}`,
      LD_LIBRARY_PATH: (await tree.libraryFolders()).join(':'),
      TELEGRAM_API_BASE: telegram.url,
      TRUSTED_PROXIES: '127.0.0.1',
      STRANGERS: '1',
      EGRESS: 'internet',
      BUILDER: 'separate',
      DISK_LIMITS: 'sized',
      BUILDER_IMAGE: builderImageName,
      ...tokens,
    });
  }, longMs);
  afterAll(async () => {
    await platform?.[Symbol.asyncDispose]();
    await telegram?.close();
  }, longMs);

  it('every check holds by itself, then a bot starts, and is as the checks say', async () => {
    const admin = ['--token', tokens.ADMIN_TOKEN];
    const doctor = async () => JSON.parse((await platform.cli(['doctor', '--json', ...admin])).stdout);
    const found = await eventually('every check holds', doctor, ({ ok }: JsonBody) => ok, {
      timeoutMs: 150_000,
      everyMs: 1_000,
    });
    expect(found.workers[0].safety.checks.map(({ name }: JsonBody) => name)).toEqual([
      ...['runtime', 'isolation', 'egress', 'builder', 'disk', 'tokens', 'tls'],
    ]);
    // As docs/DEPLOY.md has it.
    const [, ...words] = 'avtomatika-bot doctor'.split(' ');
    const shown = await platform.cli([...words, ...admin]);
    expect(shown).toMatchObject({ code: 0, stderr: '' });
    expect(shown.stdout).toContain('Every check holds: strangers may start bots.');

    const code = 'import os, time\nprint("user", os.getuid(), flush=True)\ntime.sleep(600)\n';
    const user = ['--token', tokens.CLIENT_TOKEN];
    const started = await platform.cli(['start', 'first', '--code', code, ...user]);
    expect(started.stdout + started.stderr).toContain('first is running.');
    expect((await platform.cli(['logs', 'first', ...user])).stdout).toContain('user 10001');
    expect(await platform.cli(['delete', 'first', '--purge', '--yes', ...user])).toMatchObject({ code: 0 });
  });
});
