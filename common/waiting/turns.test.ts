import { describe, expect, it } from 'vitest';
import { Turns } from './turns.ts';

/** Work that says when it begins, and ends when released. */
function worksOf(begun: string[]) {
  const ends = new Map<string, () => void>();
  return {
    of: (name: string) => () => {
      begun.push(name);
      return new Promise<string>((resolve) => ends.set(name, () => resolve(name)));
    },
    end: (name: string) => ends.get(name)?.(),
  };
}

describe('turns', () => {
  it('begin at once while there is room, then in the order of asking, and wait for no other key', async () => {
    const turns = new Turns(2);
    const begun: string[] = [];
    const works = worksOf(begun);
    const all = ['a1', 'a2', 'a3', 'a4', 'b1'].map((name) => turns.run(name.slice(0, 1), works.of(name)));
    expect(begun).toEqual(['a1', 'a2', 'b1']);
    works.end('a2');
    expect(await all[1]).toBe('a2');
    // One that comes just now does not pass the one that waits.
    all.push(turns.run('a', works.of('a5')));
    expect(begun).toEqual(['a1', 'a2', 'b1', 'a3']);
    for (const name of ['a1', 'b1', 'a3', 'a4', 'a5']) {
      works.end(name);
      await new Promise(setImmediate);
    }
    expect(await Promise.all(all)).toEqual(['a1', 'a2', 'a3', 'a4', 'b1', 'a5']);
    expect(begun).toEqual(['a1', 'a2', 'b1', 'a3', 'a4', 'a5']);
    expect(turns.size).toBe(0);
  });

  it('goes to the next also after a failure, which its caller gets', async () => {
    const turns = new Turns(1);
    const failed = turns.run('a', () => Promise.reject(new Error('no')));
    const next = turns.run('a', async () => 'yes');
    await expect(failed).rejects.toThrow('no');
    expect(await next).toBe('yes');
    expect(turns.size).toBe(0);
  });

  it('say when there is room for one more', async () => {
    const turns = new Turns(1);
    const works = worksOf([]);
    expect(turns.whenFree('a')).toBeUndefined();
    const all = [turns.run('a', works.of('a1')), turns.run('a', works.of('a2'))];
    const free = turns.whenFree('a');
    works.end('a1');
    await all[0];
    // It was given to the one that waited.
    expect(turns.whenFree('a')).toBe(free);
    works.end('a2');
    await free;
    expect(turns.whenFree('a')).toBeUndefined();
    await Promise.all(all);
  });
});
