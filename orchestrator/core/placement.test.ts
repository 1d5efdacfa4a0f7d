import { describe, expect, it } from 'vitest';
import { type Candidate, planPlacement, type Wanted } from './placement.ts';

const mib = 1024 * 1024;
const worker = (workerId: string, extra: Partial<Candidate> = {}): Candidate => ({
  workerId,
  ready: true,
  notReadyReason: '',
  startsRefused: false,
  silentMs: 0,
  cordoned: false,
  capabilities: ['mode.simple', 'language.python'],
  labels: {},
  memoryBytes: 4096 * mib,
  cpuMillis: 2000,
  reservedMemoryBytes: 0,
  reservedCpuMillis: 0,
  ...extra,
});
const bot: Wanted = {
  memoryBytes: 256 * mib,
  cpuMillis: 500,
  capabilities: ['mode.simple', 'language.python'],
  labels: {},
  home: undefined,
};
const at = (workerId: string, bound: boolean): Wanted => ({ ...bot, home: { workerId, bound } });

describe('placement', () => {
  it('says that nobody is there', () => {
    expect(planPlacement([], bot)).toEqual({ placed: false, reason: 'no worker is connected' });
  });

  it('fills the fullest worker that has room', () => {
    const workers = [
      worker('a'),
      worker('b', { reservedMemoryBytes: 2048 * mib }),
      worker('c', { reservedMemoryBytes: 4000 * mib }),
    ];
    expect(planPlacement(workers, bot)).toEqual({ placed: true, workerId: 'b' });
  });

  it('explains each refusal', () => {
    const workers = [
      worker('a', { ready: false, notReadyReason: 'engine_unavailable' }),
      worker('b', { reservedMemoryBytes: 4000 * mib }),
      worker('c', { reservedCpuMillis: 8000 }),
      worker('d', { silentMs: 7000 }),
      worker('e', { cordoned: true }),
    ];
    expect(planPlacement(workers, bot)).toEqual({
      placed: false,
      reason:
        'a is not ready (engine_unavailable); b has 96 of 4096 MiB free, 256 are needed; c has no CPU left; ' +
        'd has not been heard from for 7 s; e is cordoned',
    });
  });

  it('makes no new container where starts are refused, and says no more of it than that', () => {
    const unsafe = worker('a', { startsRefused: true });
    const reason = 'a starts no new bots now, because one of its safety checks fails';
    expect(planPlacement([unsafe], bot)).toEqual({ placed: false, reason });
    expect(planPlacement([unsafe, worker('b')], bot)).toEqual({ placed: true, workerId: 'b' });
    // Its data is there, so it waits for it.
    expect(planPlacement([unsafe, worker('b')], at('a', false))).toEqual({ placed: false, reason });
    expect(planPlacement([unsafe], { ...at('a', true), keepsContainer: true })).toEqual({
      placed: true,
      workerId: 'a',
    });
  });

  it('never gives a bot to a worker that cannot do its mode', () => {
    const custom = { ...bot, capabilities: ['mode.custom'] };
    const plain = worker('p');
    const docker = worker('d', { capabilities: ['mode.simple', 'mode.custom'], reservedMemoryBytes: 0 });
    expect(planPlacement([plain, docker], custom)).toEqual({ placed: true, workerId: 'd' });
    expect(planPlacement([plain], custom)).toEqual({ placed: false, reason: 'p cannot do mode.custom' });
  });

  it('takes only workers with all the labels asked for', () => {
    const workers = [
      worker('a', { labels: { zone: 'eu' } }),
      worker('b', { labels: { zone: 'eu', gpu: 'yes' } }),
      worker('c', { labels: { zone: 'us', gpu: 'yes' } }),
    ];
    const labelled = (labels: Wanted['labels']) => planPlacement(workers, { ...bot, labels });
    expect(labelled({ zone: 'eu', gpu: 'yes' })).toEqual({ placed: true, workerId: 'b' });
    expect(labelled({ zone: 'mars', gpu: 'yes' })).toEqual({
      placed: false,
      reason: 'a is not labelled gpu=yes, zone=mars; b is not labelled zone=mars; c is not labelled zone=mars',
    });
    expect(labelled({ constructor: 'x' })).toMatchObject({ placed: false });
  });

  it('never moves a bot away from the worker that may have its container', () => {
    const away = { placed: false, reason: 'worker b, which has the bot, is not connected' };
    expect(planPlacement([worker('a'), worker('b')], at('b', true))).toEqual({ placed: true, workerId: 'b' });
    expect(planPlacement([worker('b', { cordoned: true })], at('b', true))).toEqual({ placed: true, workerId: 'b' });
    expect(planPlacement([worker('a')], at('b', true))).toEqual(away);
    expect(planPlacement([worker('a')], at('b', false))).toEqual(away);
    const workers = [worker('a', { labels: { zone: 'eu' } }), worker('b')];
    expect(planPlacement(workers, { ...at('b', true), labels: { zone: 'eu' } })).toEqual({
      placed: false,
      reason: 'b is not labelled zone=eu, and has the bot: stop it first, then start it',
    });
  });

  it('takes a bot without a container back to where its data is, unless it can never run there', () => {
    const workers = [worker('a', { labels: { zone: 'eu' }, reservedMemoryBytes: 1000 * mib }), worker('b')];
    expect(planPlacement(workers, at('b', false))).toEqual({ placed: true, workerId: 'b' });
    expect(planPlacement(workers, { ...at('b', false), labels: { zone: 'eu' } })).toEqual({
      placed: true,
      workerId: 'a',
    });
    expect(planPlacement([worker('a'), worker('b', { cordoned: true })], at('b', false))).toEqual({
      placed: true,
      workerId: 'a',
    });
    expect(planPlacement([worker('a'), worker('b', { ready: false })], at('b', false))).toMatchObject({
      placed: false,
      reason: 'b is not ready (no reason given)',
    });
  });

  it('does not name every one of very many workers', () => {
    const many = Array.from({ length: 30 }, (_, n) => worker(`w${n}`, { cordoned: true }));
    const plan = planPlacement(many, bot);
    expect(plan.placed ? '' : plan.reason).toMatch(/^w0 is cordoned; .* and 22 more workers cannot take it$/);
  });

  it('gives the same answer whatever the order of the workers', () => {
    const workers = [worker('b'), worker('a'), worker('c')];
    expect(planPlacement(workers, bot)).toEqual(planPlacement(workers.toReversed(), bot));
  });
});
