import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { containerName } from '#common/ids.ts';
import { Secret } from '#common/secret.ts';
import { type ContainerIdentity, labelNames, signedLabels, verifiedIdentity } from './labels.ts';

const keyOf = (byte: number) => new Secret(new Uint8Array(32).fill(byte));
const key = keyOf(1);

const identities: fc.Arbitrary<ContainerIdentity> = fc.record({
  key: fc.record({
    userId: fc.stringMatching(/^[a-z0-9][a-z0-9_-]{0,31}$/),
    botId: fc.stringMatching(/^[a-zA-Z0-9_-]{1,64}$/),
  }),
  workerId: fc.stringMatching(/^[A-Za-z0-9_-]{1,64}$/),
  revision: fc.bigInt({ min: 0n, max: 2n ** 62n }),
  epoch: fc.bigInt({ min: 0n, max: 2n ** 62n }),
  startedAt: fc
    .date({ noInvalidDate: true, min: new Date(0), max: new Date('2200-01-01') })
    .map((date) => date.toISOString()),
});

const example: ContainerIdentity = {
  key: { userId: 'dev', botId: 'echo-bot' },
  workerId: 'w1',
  revision: 7n,
  epoch: 2n,
  startedAt: '2026-01-02T03:04:05.000Z',
};

describe('labels of a container', () => {
  test('are the ones of the interface and nothing else', () => {
    const { sig, ...labels } = signedLabels(key, 'bot_dev_echo-bot_x', example);
    expect(labels).toEqual({
      bot_runner: 'true',
      user_id: 'dev',
      bot_id: 'echo-bot',
      worker_id: 'w1',
      generation: '7',
      epoch: '2',
      started_at: '2026-01-02T03:04:05.000Z',
    });
    expect(sig).toMatch(/^[0-9a-f]{64}$/);
  });

  test('read back as they were signed', () => {
    fc.assert(
      fc.property(identities, (identity) => {
        const name = containerName(identity.key);
        const labels = { ...signedLabels(key, name, identity), 'org.example.maintainer': 'of the image' };
        expect(verifiedIdentity(key, name, identity.workerId, labels)).toEqual(identity);
      }),
    );
  });

  test('are refused after any change of a label, the name, the worker or the key', () => {
    const signedOnes = Object.values(labelNames);
    fc.assert(
      fc.property(identities, fc.constantFrom(...signedOnes), fc.string(), (identity, changed, value) => {
        const name = containerName(identity.key);
        const labels = signedLabels(key, name, identity);
        fc.pre(labels[changed] !== value);
        expect(verifiedIdentity(key, name, identity.workerId, { ...labels, [changed]: value })).toBeUndefined();
        const { [changed]: _gone, ...without } = labels;
        expect(verifiedIdentity(key, name, identity.workerId, without)).toBeUndefined();
        expect(verifiedIdentity(key, `${name}x`, identity.workerId, labels)).toBeUndefined();
        expect(verifiedIdentity(key, name, `${identity.workerId}x`, labels)).toBeUndefined();
        expect(verifiedIdentity(keyOf(2), name, identity.workerId, labels)).toBeUndefined();
      }),
    );
  });

  test('are refused for any signature that is not the right one', () => {
    const labels = signedLabels(key, 'n', example);
    for (const sig of ['', '00', 'zz', 'f'.repeat(64), 'f'.repeat(128), labels['sig']?.slice(0, 62) ?? '']) {
      expect(verifiedIdentity(key, 'n', 'w1', { ...labels, sig })).toBeUndefined();
    }
  });

  test('never come from the prototype', () => {
    const inherited: Record<string, string> = Object.create({ ...signedLabels(key, 'n', example) });
    expect(verifiedIdentity(key, 'n', 'w1', inherited)).toBeUndefined();
  });
});
