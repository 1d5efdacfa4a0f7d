import { describe, expect, it } from 'vitest';
import { faultKinds, makePlan, placeOf } from './plan.ts';

const minute = 60_000;

describe('the plan of a storm', () => {
  it('is the same for the same seed and length, and another for another', () => {
    expect(makePlan(7, 2 * minute)).toEqual(makePlan(7, 2 * minute));
    const hashes = [makePlan(7, 2 * minute), makePlan(8, 2 * minute), makePlan(7, 3 * minute)].map(({ hash }) => hash);
    expect(new Set(hashes).size).toBe(3);
    expect(hashes[0]).toMatch(/^[0-9a-f]{16}$/);
  });

  it('has each kind of fault in two minutes of nearly any seed, and in five of any', () => {
    const missing = (seed: number, minutes: number) => {
      const kinds = new Set(makePlan(seed, minutes * minute).faults.map(({ kind }) => kind));
      return faultKinds.filter((kind) => !kinds.has(kind));
    };
    const seeds = Array.from({ length: 50 }, (_, seed) => seed);
    expect(seeds.flatMap((seed) => missing(seed, 5))).toEqual([]);
    expect(seeds.filter((seed) => missing(seed, 2).length === 0).length).toBeGreaterThan(40);
  });

  it('has no two faults of one place at once, and none that outlasts it', () => {
    for (let seed = 0; seed < 200; seed++) {
      const plan = makePlan(seed, 3 * minute);
      const ends = new Map<string, number>();
      for (const { at, kind, worker, ms } of plan.faults) {
        const place = placeOf(kind, worker);
        expect(ends.get(place) ?? 0).toBeLessThanOrEqual(at);
        ends.set(place, at + ms);
        expect(at + ms).toBeLessThanOrEqual(plan.ms);
      }
    }
  });

  it('kills everything at once while nothing else is under way', () => {
    const { faults } = makePlan(11, 30 * minute);
    const all = faults.filter(({ kind }) => kind === 'kill everything');
    expect(all.length).toBeGreaterThan(1);
    for (const one of all) {
      const others = faults.filter(
        (other) => other !== one && other.at < one.at + one.ms && other.at + other.ms > one.at,
      );
      expect(others).toEqual([]);
    }
  });

  it('starts each bot before anything else is asked of it, and numbers the versions', () => {
    const { requests, bots } = makePlan(3, 2 * minute);
    for (const { user, bot } of bots) {
      expect(requests.find((request) => request.user === user && request.bot === bot)?.action ?? 'start').toBe('start');
    }
    const versions = requests.flatMap(({ version }) => version ?? []);
    expect(new Set(versions).size).toBe(versions.length);
  });
});
