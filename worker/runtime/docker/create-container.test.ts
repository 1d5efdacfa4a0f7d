import { expect, test } from 'vitest';
import { Secret } from '#common/secret.ts';
import type { ContainerPlan } from '../container-runtime.ts';
import type { ContainerDeps } from './containers.ts';
import { containerSettings, createContainer } from './create-container.ts';
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

test.each([
  ['labels', { Labels: { a: 'x'.repeat(70_000) } }],
  ['ports', { ExposedPorts: Object.fromEntries(Array.from({ length: 65_535 }, (_, port) => [`${port}/udp`, {}])) }],
  ['variables', { Env: [`A=${'x'.repeat(70_000)}`] }],
])('an image whose %s would make the lists of all containers long is not run', async (_what, config) => {
  const calls: string[] = [];
  const deps = {
    engine: {
      call: async ({ method }: { method: string }) => {
        calls.push(method);
        return { Config: config };
      },
    },
    isolation: { assertPossible: async () => {}, confinement: async () => unconfined },
    networks: { name: () => 'bots', ensureSeen: async () => 'bots' },
    clock: { wallMs: () => 0 },
    owner: { signingKey: new Secret(Buffer.alloc(32)) },
  } as unknown as ContainerDeps; // nothing else of them is asked for before the image is refused
  await expect(createContainer(deps, plan, AbortSignal.timeout(5000))).rejects.toMatchObject({
    problem: { code: 'CONTAINER_ERROR', message: expect.stringMatching(/^The image has \d+ characters of settings/) },
  });
  expect(calls).toEqual(['GET']);
});
