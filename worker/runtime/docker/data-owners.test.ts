import { setImmediate } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { createManualClock } from '../../../test/kit/manual-clock.ts';
import { createDataOwners, type DataOwners } from './data-owners.ts';
import type { EngineClient } from './engine-client.ts';

const { signal } = new AbortController();
const volume = 'bot_data_x';

/** An engine that reports when the folder last changed. */
function engineOf({ kind = 'docker', api = 41 }: { kind?: 'docker' | 'podman'; api?: number } = {}) {
  const clock = createManualClock({ wallMs: Date.parse('2026-11-28T10:00:10.500Z') });
  const volumes = { changedAt: '2026-11-28T10:00:00Z', isAway: false, asked: 0 };
  const engine: EngineClient = {
    kind: async () => kind,
    api: async () => api,
    async call() {
      volumes.asked += 1;
      if (volumes.isAway) throw new Error('the engine is away');
      return { CreatedAt: volumes.changedAt };
    },
    stream: () => Promise.reject(new Error('nothing is streamed here')),
  };
  const owners = createDataOwners(engine, clock);
  owners.set(volume, 10001);
  return { clock, volumes, owners };
}

/** Until the question that goes with it has been answered. */
async function leave(owners: DataOwners): Promise<void> {
  owners.left(volume, signal);
  await setImmediate();
}

it('knows that a folder is as it was left while it has not changed since', async () => {
  const { owners, volumes } = engineOf();
  expect(await owners.isAsLeft(volume, signal)).toBe(false);
  await leave(owners);
  expect(await owners.isAsLeft(volume, signal)).toBe(true);
  // Once: the container that follows may change it.
  expect(await owners.isAsLeft(volume, signal)).toBe(false);
  await leave(owners);
  volumes.changedAt = '2026-11-28T10:00:05Z';
  expect(await owners.isAsLeft(volume, signal)).toBe(false);
  expect(owners.of(volume)).toBe(10001);
});

it('does not trust a time so recent that a later change could have the same one, nor one to come', async () => {
  for (const changedAt of ['2026-11-28T10:00:09Z', '2026-11-28T10:00:10Z', '2026-11-28T11:00:00Z', '']) {
    const { owners, volumes, clock } = engineOf();
    volumes.changedAt = changedAt;
    await leave(owners);
    clock.advance(60_000);
    expect(await owners.isAsLeft(volume, signal), changedAt).toBe(false);
  }
});

it.each([
  ['an engine that looks into containers in no time', { api: 44 }],
  ['Podman, which says the same of its API', { kind: 'podman' }],
] as const)('asks nothing of %s', async (_, choice) => {
  const { owners, volumes } = engineOf(choice);
  await leave(owners);
  expect(await owners.isAsLeft(volume, signal)).toBe(false);
  expect(volumes.asked).toBe(0);
});

it('knows nothing when the engine is away, or the owner is not known', async () => {
  const { owners, volumes } = engineOf();
  volumes.isAway = true;
  await leave(owners);
  volumes.isAway = false;
  expect(await owners.isAsLeft(volume, signal)).toBe(false);
  owners.forget(volume);
  await leave(owners);
  expect(await owners.isAsLeft(volume, signal)).toBe(false);
});
