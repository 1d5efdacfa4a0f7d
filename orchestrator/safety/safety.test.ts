import { create } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { runChecks } from '#common/checks/run-checks.ts';
import { systemClock } from '#common/clock.ts';
import { Secret } from '#common/secret.ts';
import { SafetyReportSchema } from '#gen/botrunner/v1/safety_pb.js';
import { makeCertificate, noOpenssl } from '../../test/kit/certificates.ts';
import { createManualClock } from '../../test/kit/manual-clock.ts';
import { createRecordingLogger } from '../../test/kit/recording-logger.ts';
import { type CheckedSettings, ownCheckings } from './own-checks.ts';
import { createOwnSafety } from './own-safety.ts';
import { whyUnsafe, workerSafety } from './worker-safety.ts';

const signal = AbortSignal.timeout(20_000);
const own = 'a-token-of-our-own-with-more-than-32-characters';
const settings: CheckedSettings = {
  tokens: { CLIENT_TOKEN: new Secret(own), WORKER_TOKEN: new Secret(`${own}-2`), ADMIN_TOKEN: undefined },
  readCertificate: undefined,
  hasTrustedProxies: true,
  now: Date.now,
};
const failed = async (of: Partial<CheckedSettings>) =>
  (await runChecks(ownCheckings({ ...settings, ...of }), systemClock, 10_000, signal)).filter(({ ok }) => !ok);

const pem = noOpenssl ? Buffer.alloc(0) : makeCertificate().cert;

describe.skipIf(noOpenssl)("the orchestrator's own checks", () => {
  it('hold with tokens of one own, and TLS or a proxy in front', async () => {
    expect(await failed({})).toEqual([]);
    expect(await failed({ readCertificate: async () => pem, hasTrustedProxies: false })).toEqual([]);
  });

  it('name the token that everybody knows or can guess, and do not show it', async () => {
    for (const [token, what] of [
      ['test-admin-token', 'ADMIN_TOKEN is a development token'],
      ['hunter2', 'ADMIN_TOKEN has fewer than 32 characters'],
    ] as const) {
      const found = await failed({ tokens: { ...settings.tokens, ADMIN_TOKEN: new Secret(token) } });
      expect(found).toMatchObject([{ name: 'tokens', message: expect.stringContaining(what) }]);
      expect(JSON.stringify(found)).not.toContain(token);
    }
  });

  it('fail without TLS and proxy, with a certificate that has expired, and with one that cannot be read', async () => {
    const inTenYears = () => Date.now() + 10 * 365 * 24 * 3_600_000;
    for (const [choice, message] of [
      [{ hasTrustedProxies: false }, /cleartext/],
      [{ readCertificate: async () => pem, now: inTenYears }, /^The certificate expired at /],
      [{ readCertificate: async () => Buffer.from('no certificate') }, /^It could not be checked: /],
    ] as const) {
      expect(await failed(choice)).toMatchObject([{ name: 'tls', message: expect.stringMatching(message) }]);
    }
  });
});

describe.skipIf(noOpenssl)('starts by the own checks', () => {
  it('are held until they were made, let go when they hold, and held again when one fails', async () => {
    const clock = createManualClock();
    const { logger, lines } = createRecordingLogger();
    let certificate = pem;
    let letGo = 0;
    const safety = createOwnSafety({
      strangers: true,
      settings: { ...settings, readCertificate: async () => certificate },
      clock,
      logger,
      onHold: () => {
        letGo += 1;
      },
    });
    expect(safety.holds()).toBe(false);
    safety.start();
    await safety.now(signal);
    expect([safety.holds(), letGo]).toEqual([true, 1]);
    certificate = Buffer.from('torn');
    clock.advance(1);
    await safety.now(signal);
    expect([safety.holds(), letGo]).toEqual([false, 1]);
    expect(lines.at(-1)).toMatch(/^warn safety check tls has failed: It could not be checked: /);
    certificate = pem;
    clock.advance(1);
    await safety.now(signal);
    expect([safety.holds(), letGo]).toEqual([true, 2]);
    safety.stop();
  });

  it('are not held without STRANGERS, and nothing is checked', async () => {
    const { logger } = createRecordingLogger();
    const parts = { settings, clock: createManualClock(), logger, onHold: () => undefined };
    const safety = createOwnSafety({ ...parts, strangers: false });
    expect([safety.holds(), await safety.now(signal)]).toEqual([true, undefined]);
  });
});

describe('what a worker says of itself', () => {
  const good = { name: 'egress', ok: true, message: 'It holds.' };
  const said = (checks: readonly object[], more: object = {}) =>
    workerSafety(create(SafetyReportSchema, { strangers: true, checks: [...checks], ...more }), 1_000_000);

  it.each([
    ['nothing', undefined, 'it does not run with STRANGERS=1: set it for the worker, too', undefined],
    [
      'that it makes none',
      said([], { strangers: false }),
      'it does not run with STRANGERS=1: set it for the worker, too',
      undefined,
    ],
    ['nothing yet', said([]), 'its safety checks have not been made yet', 'its safety checks have not been made yet'],
    ['that all hold', said([good]), undefined, undefined],
    [
      'that one fails',
      said([good, { ...good, name: 'disk', ok: false }]),
      'a safety check fails: disk',
      'a safety check fails: disk',
    ],
    [
      'what it knew an hour ago',
      said([good], { ageMs: 3_600_000n }),
      'its safety checks are 60 minutes old',
      'its safety checks are 60 minutes old',
    ],
  ])('%s', (_what, safety, amongStrangers, otherwise) => {
    expect(whyUnsafe(safety, true, 1_000_000)).toBe(amongStrangers);
    expect(whyUnsafe(safety, false, 1_000_000)).toBe(otherwise);
  });

  it('is cut to what anybody reads, and an age from the future is none', () => {
    const long = 'x'.repeat(1_000_000);
    const { checks, atMs } = said(Array(1_000).fill({ name: long, ok: false, message: long, hint: long }), {
      ageMs: -5n,
    });
    expect([checks.length, checks[0]?.message.length, checks[0]?.hint?.length, atMs]).toEqual([
      32, 1000, 1000, 1_000_000,
    ]);
  });
});
