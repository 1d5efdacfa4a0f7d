import { describe, expect, it } from 'vitest';
import { createManualClock } from '../../test/kit/manual-clock.ts';
import { createRecordingLogger } from '../../test/kit/recording-logger.ts';
import { type Check, type CheckReport, failedOf } from './check.ts';
import { CheckWatch } from './check-watch.ts';
import { runChecks } from './run-checks.ts';

type Name = 'egress' | 'disk';

const good: readonly Check<Name>[] = [
  { name: 'egress', ok: true, message: 'The rules hold.' },
  { name: 'disk', ok: true, message: 'It is limited.' },
];
const bad: readonly Check<Name>[] = [
  { name: 'egress', ok: false, message: 'The rules are gone.', hint: 'Put them back.' },
  ...good.slice(1),
];

function watchWith(make: () => Promise<readonly Check<Name>[]>) {
  const clock = createManualClock();
  const { logger, lines } = createRecordingLogger();
  const reports: CheckReport<Name>[] = [];
  let begun = 0;
  const watch = new CheckWatch<Name>({
    names: ['egress', 'disk'],
    make: () => {
      begun += 1;
      return make();
    },
    clock,
    logger,
    random: () => 0.5,
    onReport: (report) => reports.push(report),
  });
  return { watch, clock, lines, reports, begun: () => begun };
}

const signal = AbortSignal.timeout(20_000);

describe('a watch over checks', () => {
  it('keeps making them when the listener throws', async () => {
    const { watch, clock, begun, reports } = watchWith(async () => good);
    reports.push = () => {
      throw new Error('nobody listens');
    };
    watch.start();
    await clock.advanceSettled(0);
    await clock.advanceSettled(60_000);
    expect(begun()).toBe(2);
    watch.stop();
  });

  it('makes them at its start and every minute, and more often after one has failed', async () => {
    let answer = good;
    const { watch, clock, begun } = watchWith(async () => answer);
    watch.start();
    await clock.advanceSettled(0);
    expect(begun()).toBe(1);
    await clock.advanceSettled(59_999);
    expect(begun()).toBe(1);
    answer = bad;
    await clock.advanceSettled(1);
    expect([begun(), watch.failuresInRow]).toEqual([2, 1]);
    await clock.advanceSettled(5_000);
    expect([begun(), watch.failuresInRow]).toEqual([3, 2]);
    await clock.advanceSettled(15_000);
    expect(begun()).toBe(4);
    answer = good;
    await clock.advanceSettled(15_000);
    expect([begun(), watch.failuresInRow]).toEqual([5, 0]);
    await clock.advanceSettled(59_000);
    expect(begun()).toBe(5);
    watch.stop();
    await clock.advanceSettled(120_000);
    expect([begun(), clock.pendingTimers()]).toEqual([5, 0]);
  });

  it('begins sooner or later by up to a tenth', async () => {
    for (const [random, ms] of [
      [0, 54_000],
      [0.999_999, 66_000],
    ] as const) {
      const clock = createManualClock();
      const { logger } = createRecordingLogger();
      const watch = new CheckWatch<Name>({
        names: ['egress', 'disk'],
        make: async () => good,
        clock,
        logger,
        random: () => random,
      });
      watch.start();
      await clock.advanceSettled(0);
      expect(Math.round(clock.nextTimerMs() ?? 0)).toBe(ms);
      watch.stop();
    }
  });

  it('makes them once for all who ask at the same time, and not for one who is content with the last', async () => {
    const answers: ((checks: readonly Check<Name>[]) => void)[] = [];
    const { watch, clock, begun } = watchWith(() => new Promise((resolve) => answers.push(resolve)));
    const asked = [watch.ofLast(5_000, signal), watch.ofLast(0, signal)];
    expect(begun()).toBe(1);
    answers[0]?.(good);
    expect((await Promise.all(asked)).map(({ checks }) => checks)).toEqual([good, good]);
    clock.advance(4_000);
    await watch.ofLast(5_000, signal);
    expect(begun()).toBe(1);
    clock.advance(2_000);
    const again = watch.ofLast(5_000, signal);
    expect(begun()).toBe(2);
    answers[1]?.(bad);
    expect(failedOf((await again).checks).map(({ name }) => name)).toEqual(['egress']);
  });

  it('counts checks that hang as failed, begins none beside them, and recovers when they have ended after all', async () => {
    let answer: (checks: readonly Check<Name>[]) => void = () => undefined;
    const { watch, clock, begun, reports } = watchWith(() => new Promise((resolve) => (answer = resolve)));
    watch.start();
    await clock.advanceSettled(54_999);
    expect(reports).toEqual([]);
    await clock.advanceSettled(1);
    expect(reports.map(({ checks }) => failedOf(checks).length)).toEqual([2]);
    await clock.advanceSettled(5_000 + 15_000);
    expect(begun()).toBe(1);
    expect(watch.report?.checks[0]?.message).toBe('The checks hang: the engine does not answer.');
    answer(good);
    await clock.advanceSettled(15_000);
    expect(begun()).toBe(2);
    answer(good);
    await clock.advanceSettled(0);
    expect(failedOf(watch.report?.checks ?? [])).toEqual([]);
    watch.stop();
  });

  it('counts as failed what its answer does not have, and all when it throws', async () => {
    const few = watchWith(async () => good.slice(0, 1));
    expect((await few.watch.ofLast(0, signal)).checks).toEqual([
      good[0],
      { name: 'disk', ok: false, message: 'It was not checked.' },
    ]);
    const none = watchWith(() => Promise.reject(new Error('no engine')));
    expect(failedOf((await none.watch.ofLast(0, signal)).checks)).toHaveLength(2);
    expect(none.lines[0]).toContain('the safety checks could not be made');
  });

  it('says each once, with its cure, and then what has changed', async () => {
    let answer = bad;
    const { watch, lines } = watchWith(async () => answer);
    await watch.ofLast(0, signal);
    await watch.ofLast(0, signal);
    answer = good;
    await watch.ofLast(-1, signal);
    await watch.ofLast(-1, signal);
    expect(lines).toEqual([
      'warn safety check egress has failed: The rules are gone. Put them back.',
      'info safety check disk holds: It is limited.',
      'info safety check egress holds: The rules hold.',
    ]);
  });
});

describe('checks made together', () => {
  it('each have their own time, and fail by themselves', async () => {
    const clock = createManualClock();
    const made = runChecks<Name | 'tls'>(
      [
        { name: 'egress', check: () => new Promise(() => undefined) },
        { name: 'disk', check: () => Promise.reject(new Error('no such file.')) },
        { name: 'tls', check: () => ({ ok: true, message: 'It is on.' }) },
      ],
      clock,
      10_000,
      signal,
    );
    await clock.advanceSettled(10_000);
    expect(await made).toEqual([
      { name: 'egress', ok: false, message: 'It could not be checked: there was no answer within 10 s.' },
      { name: 'disk', ok: false, message: 'It could not be checked: no such file.' },
      { name: 'tls', ok: true, message: 'It is on.' },
    ]);
  });

  it('are given up with their signal', async () => {
    const ending = new AbortController();
    const hanging = [{ name: 'egress', check: () => new Promise<never>(() => undefined) }] as const;
    const made = runChecks(hanging, createManualClock(), 10_000, ending.signal);
    ending.abort(new Error('over'));
    await expect(made).rejects.toThrow('over');
  });
});
