/** The rules also cover the one network of older workers, and hold while the engine restarts. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { systemClock } from '#common/clock.ts';
import { silentLogger } from '#common/log.ts';
import { createFindAddresses } from '../../../worker/runtime/docker/egress/addresses.ts';
import { createFindNftImage } from '../../../worker/runtime/docker/egress/nft-image.ts';
import { createSetRules } from '../../../worker/runtime/docker/egress/set-rules.ts';
import { createEngineClient } from '../../../worker/runtime/docker/engine-client.ts';
import { createBotNetworks } from '../../../worker/runtime/docker/network.ts';
import { runShortly } from '../../../worker/runtime/docker/short-run.ts';
import { defaultSubnets } from '../../../worker/runtime/docker/subnets.ts';
import { loadBaseImages } from '../../kit/base-images/base-images.ts';
import { type NetworkWorld, startNetworkWorld, world } from '../../kit/network-world.ts';
import { debianPackages } from '../../kit/private-engine/debian-packages.ts';
import { defaultCacheDir, type PrivateEngine, startPrivateEngine } from '../../kit/private-engine/private-engine.ts';

const given = inject('docker');
const workerId = 'worker-before';
const signal = AbortSignal.timeout(240_000);

describe.skipIf('skip' in given)('rules that were set', { timeout: 240_000 }, () => {
  const dir = mkdtempSync(join(tmpdir(), 'egress-upgrade-'));
  let engine: PrivateEngine;
  let surroundings: NetworkWorld;
  let programs: NodeJS.ProcessEnv;
  beforeAll(async () => {
    const tree = await debianPackages(join(defaultCacheDir, 'nft'), ['nftables']);
    programs = { PATH: tree.programPath(), LD_LIBRARY_PATH: (await tree.libraryFolders()).join(':') };
    engine = await startPrivateEngine();
    await loadBaseImages(engine.dockerHost, engine.packages, ['busybox']);
    surroundings = await startNetworkWorld(engine.namespacePath);
  }, 240_000);
  afterAll(async () => {
    await surroundings?.close();
    await engine?.stop();
    rmSync(dir, { recursive: true });
  }, 60_000);

  /** Whether a container of the network gets an answer from the port. */
  async function reaches(network: string, address: string, port: number): Promise<boolean> {
    const body = {
      Image: 'busybox:stable',
      Cmd: ['sh', '-c', `nc -w 4 ${address} ${port} < /dev/null | grep -q reached`],
      HostConfig: { NetworkMode: network },
    };
    return (await runShortly(createEngineClient(engine.dockerHost), { body, timeoutMs: 60_000 }, signal)).code === 0;
  }

  it('cover the one network of an older worker and no foreign network, and hold during and after a restart of the engine', async () => {
    const client = createEngineClient(engine.dockerHost);
    const make = (body: object) => client.call({ method: 'POST', path: '/networks/create', body }, signal);
    await make({ Name: 'bots', Driver: 'bridge', Labels: { bot_runner: 'true' } });
    await make({ Name: 'others', Driver: 'bridge' });
    const options = { base: 'bots', workerId, subnets: defaultSubnets };
    const own = await createBotNetworks(client, options, silentLogger).ensure('alice', 'bots', signal);
    expect(await reaches('bots', world.lan, 80)).toBe(true);
    const set = createSetRules({
      engine: client,
      workerId,
      workerIds: () => [workerId],
      network: 'bots',
      named: { forBots: [], forBuilds: [], refused: [] },
      findAddresses: createFindAddresses(systemClock, silentLogger),
      findImage: createFindNftImage(programs),
      clock: systemClock,
      markFile: join(dir, 'firewall'),
    });
    const setting = { kind: 'filtered', internet: true, allow: [] } as const;
    expect(await set(setting, signal)).toEqual({ holds: true, refused: '', wereGone: false });
    const seen = async (network: string) => [
      await reaches(network, world.lan, 80),
      await reaches(network, world.public, 443),
    ];
    expect(await seen('bots')).toEqual([false, true]);
    expect(await seen(own)).toEqual([false, true]);
    expect(await seen('others')).toEqual([true, true]);

    await engine.kill();
    await engine.start();
    expect(await seen(own)).toEqual([false, true]);
    // They are seen to be these rules, and nothing is set anew.
    expect(await set(setting, signal)).toMatchObject({ holds: true, wereGone: false });
    expect(await set({ kind: 'open' }, signal)).toMatchObject({ holds: true });
    expect(await seen(own)).toEqual([true, true]);
  });
});
