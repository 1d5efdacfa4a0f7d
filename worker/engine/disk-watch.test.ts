import { afterEach, describe, expect, it } from 'vitest';
import { silentLogger } from '#common/log.ts';
import { eventually } from '../../test/kit/eventually.ts';
import { createManualClock } from '../../test/kit/manual-clock.ts';
import type { DiskMeasure } from '../runtime/container-runtime.ts';
import { DiskWatch, measuredAtOnce } from './disk-watch.ts';

const mib = 1024 * 1024;
const nothing = {
  dataBytes: 0,
  layerBytes: 0,
  dataFiles: 0,
  layerFiles: 0,
  isSized: false,
  isOld: false,
  isUncountable: false,
};

const closing: (() => Promise<void>)[] = [];
afterEach(() => Promise.all(closing.splice(0).map((close) => close())));

function watch(bots: number) {
  const clock = createManualClock();
  const ids = Array.from({ length: bots }, (_, index) => `c${index}`);
  const turns: (readonly string[])[] = [];
  const seen: DiskMeasure[] = [];
  const self = {
    clock,
    ids,
    turns,
    seen,
    free: 100_000 * mib,
    looks: 0,
    bytes: 0,
    failing: false,
    isUncountable: false,
  };
  const watching = new DiskWatch({
    runtime: {
      measureDisk: async (chosen) => {
        turns.push(chosen);
        if (self.failing) throw new Error('the engine is away');
        return chosen.map((containerId) => ({
          ...nothing,
          containerId,
          dataBytes: self.bytes,
          isUncountable: self.isUncountable,
        }));
      },
      freeDisk: async () => {
        self.looks += 1;
        return self.free;
      },
    },
    clock,
    logger: silentLogger,
    running: () => self.ids,
    onMeasure: (measure) => seen.push(measure),
  });
  watching.start();
  closing.push(() => watching.stop());
  /** Lets so much time pass, in steps. */
  const pass = async (ms: number) => {
    for (let passed = 0; passed < ms; passed += 500) {
      clock.advance(500);
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  return Object.assign(self, { pass });
}

const turned = (of: { turns: readonly unknown[] }, count: number) =>
  eventually(
    'turns',
    () => of.turns.length,
    (turns) => turns >= count,
  );

describe('the watch of disks', () => {
  it('measures a few at a time, those first that were measured longest ago, and none of them twice before all were', async () => {
    const bots = watch(measuredAtOnce * 2 + 3);
    await turned(bots, 1);
    await bots.pass(75_000);
    await turned(bots, 3);
    expect(bots.turns.slice(0, 3).every((ids) => ids.length <= measuredAtOnce)).toBe(true);
    expect(new Set(bots.turns.slice(0, 3).flat()).size).toBe(bots.ids.length);
    expect(bots.seen.length).toBeGreaterThanOrEqual(bots.ids.length);
  });

  it('measures less often what does not grow, and a new bot soon', async () => {
    const bots = watch(2);
    await turned(bots, 1);
    await bots.pass(40_000);
    await turned(bots, 2);
    await bots.pass(100_000);
    expect(bots.turns).toHaveLength(2);
    await bots.pass(60_000);
    expect(bots.turns).toHaveLength(3);
  });

  it('measures at once when the disk loses space quickly, and continues after a failure', async () => {
    const bots = watch(1);
    await turned(bots, 1);
    await bots.pass(6_000);
    expect(bots.looks).toBeGreaterThan(0);
    bots.failing = true;
    bots.free -= 300 * mib;
    await bots.pass(6_000);
    expect(bots.turns).toHaveLength(2);
    bots.failing = false;
    bots.free -= 300 * mib;
    await bots.pass(6_000);
    expect(bots.turns).toHaveLength(3);
    // What others free is no reason.
    bots.free += 600 * mib;
    await bots.pass(6_000);
    expect(bots.turns).toHaveLength(3);
  });

  it('says of files that they cannot be counted only after three turns in a row, because a disk may be busy', async () => {
    const bots = watch(1);
    const said = () => bots.seen.map(({ isUncountable }) => isUncountable);
    bots.isUncountable = true;
    await turned(bots, 1);
    await bots.pass(40_000);
    await turned(bots, 2);
    bots.isUncountable = false;
    await bots.pass(30_000);
    await turned(bots, 3);
    bots.isUncountable = true;
    await bots.pass(200_000);
    await turned(bots, 6);
    const [first, second] = [said().indexOf(true), said().slice(0, 5)];
    expect(second).toEqual([false, false, false, false, false]);
    expect(first).toBe(5);
  });

  it('keeps nothing of bots that are gone', async () => {
    const bots = watch(1);
    await turned(bots, 1);
    bots.ids = ['another'];
    await bots.pass(31_000);
    await turned(bots, 2);
    expect(bots.turns[1]).toEqual(['another']);
  });
});
