import { describe, expect, it } from 'vitest';
import { silentLogger } from '#common/log.ts';
import { ProblemError, problem } from '#common/problem.ts';
import { createManualClock } from '../../test/kit/manual-clock.ts';
import { createScriptedRuntime } from '../../test/worker/kit/scripted-runtime.ts';
import { type EngineHealth, EngineWatch } from './engine-watch.ts';
import { createOutages } from './outages.ts';

function watchForTests() {
  const clock = createManualClock();
  const runtime = createScriptedRuntime(clock, 'docker');
  const outages = createOutages(clock.wallMs() - 3600_000);
  const seen = { events: [] as string[], resyncs: 0, returns: 0, healths: [] as EngineHealth[] };
  const watch = new EngineWatch(runtime, clock, silentLogger, outages, {
    onEvent: ({ containerId }) => seen.events.push(containerId),
    onResync: async () => {
      seen.resyncs += 1;
    },
    onReturn: () => {
      seen.returns += 1;
    },
    onHealth: (health) => seen.healths.push(health),
  });
  return { clock, runtime, outages, seen, watch };
}

describe('watching the engine', () => {
  it('asks before anything else, and lists everything once events flow', async () => {
    const { clock, seen, watch } = watchForTests();
    await watch.start();
    expect(watch.health).toMatchObject({ ready: true, reason: '', info: { cpuMillis: 4000 } });
    await clock.advanceSettled(1000);
    expect(seen.resyncs).toBe(1);
    await clock.advanceSettled(60_000);
    expect(seen.resyncs).toBe(3);
    await watch.stop();
    expect(clock.pendingTimers()).toBe(0);
  });

  it('is not ready from the start without an engine, and ready soon after it comes', async () => {
    const { clock, runtime, seen, watch } = watchForTests();
    runtime.away = true;
    await watch.start();
    expect(watch.health).toEqual({
      ready: false,
      reason: 'engine_unavailable: the container engine does not answer',
      detail: 'the engine does not answer',
      info: undefined,
    });
    await clock.advanceSettled(60_000);
    expect(seen.resyncs).toBe(0);
    expect(seen.healths).toHaveLength(1);
    runtime.away = false;
    await clock.advanceSettled(6000);
    expect(watch.health.ready).toBe(true);
    expect(seen.returns).toBe(1);
    await watch.stop();
  });

  it('takes an engine that hangs for away within 25 s, and one slow answer not', async () => {
    const { clock, runtime, seen, watch } = watchForTests();
    await watch.start();
    runtime.info = () => new Promise(() => undefined);
    await clock.advanceSettled(15_100);
    expect(watch.health.ready).toBe(true);
    await clock.advanceSettled(9900);
    expect(watch.health).toMatchObject({ ready: false, detail: expect.stringContaining('did not end within 5000 ms') });
    expect(seen.healths.at(-1)?.ready).toBe(false);
    await watch.stop();
  });

  it('knows what ended with the engine when its event stream breaks', async () => {
    const { clock, runtime, outages, seen, watch } = watchForTests();
    await watch.start();
    await clock.advanceSettled(100_000);
    const endedBefore = clock.wallMs() - 60_000;
    const endedWithIt = clock.wallMs() - 3000;
    expect(outages.covers(endedWithIt)).toBe(false);
    const before = seen.resyncs;
    runtime.breakEvents();
    await clock.advanceSettled(2000);
    expect(seen.returns).toBe(1);
    expect(outages.covers(endedWithIt)).toBe(true);
    expect(outages.covers(endedBefore)).toBe(false);
    expect(seen.resyncs).toBeGreaterThan(before);
    await watch.stop();
  });

  it('says what an engine that answers cannot be used for, and the cure', async () => {
    const { runtime, seen, watch } = watchForTests();
    runtime.info = () =>
      Promise.reject(new ProblemError(problem('CONTAINER_ERROR', 'It has two networks.', { hint: 'Remove one.' })));
    await watch.start();
    expect(watch.health).toMatchObject({
      ready: false,
      reason: 'engine_unavailable: It has two networks.',
      cure: 'Remove one.',
    });
    expect(seen.returns).toBe(0);
    await watch.stop();
  });

  it('lists more often while events are dead', async () => {
    const { clock, runtime, seen, watch } = watchForTests();
    runtime.watchEvents = () => Promise.reject(new Error('no events here'));
    await watch.start();
    await clock.advanceSettled(30_000);
    expect(seen.resyncs).toBeGreaterThanOrEqual(5);
    await watch.stop();
  });
});

describe('outages', () => {
  const moment = (wallMs: number, monotonicMs = wallMs) => ({ wallMs, monotonicMs });

  it('cover what ended during one in which the clock was set, by either reading', () => {
    const outages = createOutages(0);
    outages.began(moment(10_000_000, 0));
    // 60 s later the clock shows an hour less.
    outages.ended(moment(6_460_000, 60_000));
    expect([10_030_000, 6_430_000, 11_000_000, 5_000_000].map((ms) => outages.covers(ms))).toEqual([
      true,
      true,
      false,
      false,
    ]);
  });

  it('cover what ended shortly before, during, and before the machine was started', () => {
    const outages = createOutages(1_000_000);
    expect(outages.covers(999_999)).toBe(true);
    expect(outages.covers(undefined)).toBe(false);
    outages.began(moment(2_000_000));
    outages.began(moment(2_005_000));
    expect(outages.covers(2_100_000)).toBe(true);
    outages.ended(moment(2_010_000));
    expect([1_979_000, 1_985_000, 2_010_500, 2_012_000].map((ms) => outages.covers(ms))).toEqual([
      false,
      true,
      true,
      false,
    ]);
  });
});
