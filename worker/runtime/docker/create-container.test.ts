import { expect, test } from 'vitest';
import { Secret } from '#common/secret.ts';
import type { ContainerPlan } from '../container-runtime.ts';
import type { ContainerDeps } from './containers.ts';
import { containerSettings } from './create-container.ts';
import { unconfined } from './isolation/confinement.ts';

const plan: ContainerPlan = {
  name: 'bot_x',
  key: { userId: 'alice', botId: 'echo' },
  workerId: 'w1',
  revision: 1n,
  epoch: 1n,
  image: 'bot_image_x:g1',
  env: new Secret({ BOT_TOKEN: '1' }),
  memoryBytes: 64 * 1024 * 1024,
  cpuMillis: 500,
  run: { kind: 'image' },
};

const settingsWith = (config: Readonly<Record<string, unknown>>) => {
  const deps = {
    engine: { call: async () => ({ Config: config }) },
    isolation: { confinement: async () => unconfined },
    networks: { name: () => 'bots' },
    owner: { signingKey: new Secret(Buffer.alloc(32)) },
  } as unknown as ContainerDeps; // nothing else of them is asked for
  return containerSettings(deps, plan, AbortSignal.timeout(5000));
};

test('a container of before is as it would be made now, though its image asks for health checks each second', async () => {
  const plain = await settingsWith({ User: 'bot' });
  expect(await settingsWith({ User: 'bot', Healthcheck: { Test: ['CMD', 'true'], Interval: 1e9 } })).toBe(plain);
  expect(await settingsWith({ User: 'root' })).not.toBe(plain);
});
