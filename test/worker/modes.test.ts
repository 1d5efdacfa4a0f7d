import { create } from '@bufbuild/protobuf';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { BotSpecSchema, BotState, DesiredState } from '#gen/botrunner/v1/bot_pb.js';
import { createRegistryForTests, type RegistryForTests } from './kit/registry-for-tests.ts';

const imageSpec = (image: string) =>
  create(BotSpecSchema, { source: { case: 'image', value: { image } }, env: { GREETING: 'hello' } });

describe('a bot of image mode', () => {
  let bots: RegistryForTests;
  beforeEach(async () => {
    bots = await createRegistryForTests();
  });
  afterEach(() => bots.close());
  const runs = (pinned: RegExp) =>
    bots.until('it runs', () => {
      const seen = bots.observation();
      return seen?.state === BotState.RUNNING && pinned.test(seen.pinned) && seen;
    });

  test('is pulled, runs what its image says, and reports what it is pinned to', async () => {
    bots.run(1, { taskId: 't1', spec: imageSpec('ghcr.io/me/bot:1') });
    const seen = await runs(/^ghcr\.io\/me\/bot@sha256:/);
    const [container] = bots.runtime.containers.values();
    expect(container?.plan).toMatchObject({ image: seen.pinned, run: { kind: 'image' } });
    expect((await bots.result('t1')).outcome.case).toBe('succeeded');
  });

  test('is not pulled again after a restart of the worker, and is when another image is asked for', async () => {
    bots.run(1, { spec: imageSpec('ghcr.io/me/bot:1') });
    await runs(/bot@/);
    await bots.restart();
    bots.run(1, { spec: imageSpec('ghcr.io/me/bot:1') });
    await runs(/bot@/);
    const pulls = () => bots.runtime.calls.filter((call) => call === 'pullImage').length;
    expect(pulls()).toBe(1);
    bots.run(2, { spec: imageSpec('ghcr.io/me/other:1') });
    await runs(/other@/);
    expect(pulls()).toBe(2);
    expect(bots.runtime.overlaps()).toBe(0);
  });

  test('fails with the registry of an address that is not allowed', async () => {
    bots.run(1, { taskId: 't1', spec: imageSpec('10.0.0.5:5000/bot:1') });
    const { outcome } = await bots.result('t1');
    expect(JSON.stringify(outcome, (_, value) => (typeof value === 'bigint' ? String(value) : value))).toContain(
      'may not be pulled from',
    );
  });

  test('keeps its data when it is removed, unless that is to be purged', async () => {
    for (const [generation, purge] of [
      [1, false],
      [3, true],
    ] as const) {
      bots.run(generation, { spec: imageSpec('ghcr.io/me/bot:1') });
      await runs(/bot@/);
      bots.stop(generation + 1, { desired: DesiredState.REMOVED, purge });
      await bots.until('it is removed', () => bots.runtime.containers.size === 0 && bots.state() === BotState.STOPPED);
      await bots.pass(2000);
      expect(bots.runtime.calls.includes('removeVolumes')).toBe(purge);
    }
  });
});
