import { describe, expect, it } from 'vitest';
import { type Candidate, planPlacement } from './placement.ts';

const mib = 1024 * 1024;
const worker = (workerId: string, extra: Partial<Candidate> = {}): Candidate => ({
  workerId,
  ready: true,
  notReadyReason: '',
  memoryBytes: 4096 * mib,
  cpuMillis: 2000,
  reservedMemoryBytes: 0,
  reservedCpuMillis: 0,
  ...extra,
});
const bot = { memoryBytes: 256 * mib, cpuMillis: 500, home: null };

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
    ];
    expect(planPlacement(workers, bot)).toEqual({
      placed: false,
      reason: 'a is not ready (engine_unavailable); b has 96 of 4096 MiB free, 256 are needed; c has no CPU share left',
    });
  });

  it('never moves a bot away from the worker that has it', () => {
    expect(planPlacement([worker('a'), worker('b')], { ...bot, home: 'b' })).toEqual({ placed: true, workerId: 'b' });
    expect(planPlacement([worker('a')], { ...bot, home: 'b' })).toEqual({
      placed: false,
      reason: 'worker b, which has the bot, is not connected',
    });
  });

  it('gives the same answer whatever the order of the workers', () => {
    const workers = [worker('b'), worker('a'), worker('c')];
    expect(planPlacement(workers, bot)).toEqual(planPlacement(workers.toReversed(), bot));
  });
});
