import { describe, expect, it } from 'vitest';
import { failedOf } from '#common/checks/check.ts';
import { Secret } from '#common/secret.ts';
import { createManualClock } from '../../test/kit/manual-clock.ts';
import { createRecordingLogger } from '../../test/kit/recording-logger.ts';
import type { SafetyCheck, SafetyCheckName } from '../runtime/safety.ts';
import { type OwnSettings, ownChecks } from './own-checks.ts';
import { createSafetyWatch } from './safety-watch.ts';
import { createStartGate } from './start-gate.ts';
import { createToldSafety } from './told-safety.ts';

const own = 'a-join-token-of-our-own-with-40-characters';
const settings = (token: string, ...urls: readonly string[]): OwnSettings => ({
  workerToken: new Secret(token),
  orchestrators: urls.map((url) => ({ url, tls: url.startsWith('https'), loopback: url.includes('localhost') })),
});
const sound = settings(own, 'https://bots.example.org');
const ofRuntime: readonly SafetyCheckName[] = ['runtime', 'isolation', 'egress', 'builder', 'disk'];
const held = ofRuntime.map((name): SafetyCheck => ({ name, ok: true, message: 'It holds.' }));
const signal = AbortSignal.timeout(20_000);

function watchOf(safety: () => Promise<readonly SafetyCheck[]>, of = sound) {
  const clock = createManualClock();
  const { logger } = createRecordingLogger();
  const watch = createSafetyWatch({
    runtime: { safety },
    settings: of,
    clock,
    logger,
    random: () => 0.5,
    onReport: () => undefined,
  });
  return { watch, clock };
}

describe("the checks of the worker's own settings", () => {
  it.each([
    ['a token of its own, and https', sound, []],
    ['cleartext that does not leave the machine', settings(own, 'http://localhost:8000'), []],
    ['the development token', settings('test-worker-token', 'https://bots.example.org'), ['tokens']],
    ['a token that can be guessed', settings('hunter2', 'https://bots.example.org'), ['tokens']],
    ['cleartext', settings(own, 'http://orchestrator:8000'), ['tls']],
    ['cleartext to one of two', settings(own, 'https://a.example.org', 'http://10.0.0.2:8000'), ['tls']],
  ])('%s', (_what, of, failed) => {
    const found = failedOf(ownChecks(of));
    expect(found.map(({ name }) => name)).toEqual(failed);
    for (const { hint, message } of found) {
      expect(hint).toMatch(/^Set [A-Z_]+ to /);
      expect(message).not.toContain('hunter2');
    }
  });
});

describe('what has to hold', () => {
  it('is every check: one that the runtime does not make has failed', async () => {
    for (const name of ofRuntime) {
      const { watch } = watchOf(async () => held.filter((check) => check.name !== name));
      const { checks } = await watch.ofLast(0, signal);
      expect(failedOf(checks)).toEqual([{ name, ok: false, message: 'It was not checked.' }]);
    }
  });
});

describe('the gate', () => {
  it('waits until it is known, is open while all hold, waits after one failure, and is closed after two', async () => {
    let answer: readonly SafetyCheck[] = held;
    const { watch, clock } = watchOf(async () => answer);
    const gate = createStartGate(watch);
    expect(gate()).toBe('waits');
    watch.start();
    await clock.advanceSettled(0);
    expect(gate()).toBe('open');
    answer = held.map((check) => (check.name === 'disk' ? { ...check, ok: false } : check));
    await clock.advanceSettled(60_000);
    expect(gate()).toBe('waits');
    await clock.advanceSettled(5_000);
    expect(gate()).toBe('closed');
    answer = held;
    await clock.advanceSettled(15_000);
    expect(gate()).toBe('open');
    watch.stop();
  });
});

describe('the report to the orchestrator', () => {
  it('is all in a Hello, and in a heartbeat what is newer than what was said', async () => {
    const { watch, clock } = watchOf(async () => held);
    const told = createToldSafety(watch, clock);
    expect(told.all()).toMatchObject({ strangers: true, checks: [], ageMs: 0n });
    expect(told.news()).toBeUndefined();
    await watch.ofLast(0, signal);
    clock.advance(1_500);
    expect(told.news()).toMatchObject({ strangers: true, ageMs: 1500n });
    expect(told.news()).toBeUndefined();
    // A session that begins knows nothing of the one before.
    expect(told.all().checks).toHaveLength(7);
    expect(told.news()).toBeUndefined();
    expect(createToldSafety(undefined, clock).all()).toMatchObject({ strangers: false, checks: [] });
  });
});
