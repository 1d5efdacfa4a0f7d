import { afterEach, describe, expect, it } from 'vitest';
import { silentLogger } from '#common/log.ts';
import { eventually } from '../../test/kit/eventually.ts';
import { createManualClock } from '../../test/kit/manual-clock.ts';
import type { DiskMeasure } from '../runtime/container-runtime.ts';
import { DiskWatch, measuredAtOnce, slowAtOnce } from './disk-watch.ts';

const mib = 1024 * 1024;
const nothing = {
  dataBytes: 0,
  layerBytes: 0,
  dataFiles: 0,
  layerFiles: 0,
  isSized: false,
  isOld: false,
  uncountable: undefined,
  tookMs: 0,
};

const closing: (() => Promise<void>)[] = [];
afterEach(() => Promise.all(closing.splice(0).map((close) => close())));

interface Given {
  readonly userOf?: (id: string) => string;
  readonly slow?: readonly string[];
  readonly uncountable?: readonly string[];
}

function watch(bots: number, { userOf = () => 'one', slow = [], uncountable = [] }: Given = {}) {
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
    /** Those that cannot be counted: in a turn, and with much time. */
    slow: new Set(slow),
    uncountable: new Set(uncountable),
    tookMs: 0,
    /** What is measured beside the turns waits for it. */
    held: Promise.resolve(),
    slowTurns: [] as (readonly string[])[],
  };
  const watching = new DiskWatch({
    runtime: {
      measureDisk: async (chosen, limitMs) => {
        const isTurn = limitMs < 10_000;
        (isTurn ? turns : self.slowTurns).push(chosen);
        if (self.failing) throw new Error('the engine is away');
        if (!isTurn) await self.held;
        return chosen.map((containerId) => {
          const isLate = (isTurn && self.slow.has(containerId)) || self.uncountable.has(containerId);
          const late = { uncountable: 'data' as const, tookMs: undefined };
          return { ...nothing, containerId, dataBytes: self.bytes, tookMs: self.tookMs, ...(isLate && late) };
        });
      },
      freeDisk: async () => {
        self.looks += 1;
        return self.free;
      },
    },
    clock,
    logger: silentLogger,
    running: () => self.ids.map((id) => ({ id, userId: userOf(id) })),
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

  it('measures what takes longer beside the turns, which go on meanwhile, and in turns again once it is quick', async () => {
    const bots = watch(3, { slow: ['c1'] });
    bots.tookMs = 9000;
    const { promise, resolve } = Promise.withResolvers<void>();
    bots.held = promise;
    await turned(bots, 1);
    await bots.pass(300_000);
    // The first of all hangs: nobody else is kept waiting.
    expect(bots.slowTurns).toEqual([['c1']]);
    expect(bots.turns.length).toBeGreaterThan(2);
    expect(bots.turns.slice(1).flat()).not.toContain('c1');
    expect(bots.seen.some(({ containerId }) => containerId === 'c1')).toBe(false);
    resolve();
    await bots.pass(70_000);
    expect(bots.slowTurns.length).toBeGreaterThan(1);
    expect(bots.seen.filter(({ containerId }) => containerId === 'c1').length).toBe(bots.slowTurns.length);
    bots.slow.clear();
    bots.tookMs = 100;
    await bots.pass(160_000);
    expect(bots.turns.at(-1)).toContain('c1');
  });

  it('says of files that they cannot be counted only after three times with much time, because a disk may be busy', async () => {
    const bots = watch(1, { uncountable: ['c0'] });
    await turned(bots, 1);
    await bots.pass(40_000);
    expect(bots.slowTurns).toHaveLength(2);
    expect(bots.seen).toEqual([]);
    bots.uncountable.clear();
    bots.tookMs = 9000;
    await bots.pass(30_000);
    bots.uncountable.add('c0');
    await bots.pass(70_000);
    expect(bots.seen.map(({ uncountable }) => uncountable)).toEqual([undefined]);
    await bots.pass(30_000);
    expect(bots.seen.at(-1)?.uncountable).toBe('data');
    expect(bots.slowTurns).toHaveLength(6);
  });

  it('is fair between users, in turns and beside them', async () => {
    // One has many bots that cannot be counted, the others one each.
    const many = 40;
    const [quick, slow] = [`c${many}`, `c${many + 1}`];
    const bots = watch(many + 3, {
      userOf: (id) => (Number(id.slice(1)) < many ? 'hostile' : id),
      slow: [slow],
      uncountable: Array.from({ length: many }, (_, index) => `c${index}`),
    });
    bots.tookMs = 9000;
    await turned(bots, 1);
    expect(bots.turns[0]).toEqual(expect.arrayContaining(bots.ids.slice(many)));
    await bots.pass(120_000);
    const measuredOf = (turns: readonly (readonly string[])[], id: string) =>
      turns.filter((turn) => turn.includes(id)).length;
    // Once in 30 s, whatever the others do.
    expect(measuredOf(bots.slowTurns, slow)).toBeGreaterThanOrEqual(4);
    expect(measuredOf(bots.turns, quick)).toBe(bots.turns.length);
    expect(bots.slowTurns.every((turn) => turn.length <= slowAtOnce)).toBe(true);
    // And those that cannot be counted get theirs, and their verdict.
    await bots.pass(300_000);
    const judged = new Set(bots.seen.filter(({ uncountable }) => uncountable).map(({ containerId }) => containerId));
    expect(judged.size).toBe(many);
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
