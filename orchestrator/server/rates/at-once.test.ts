import { expect, it } from 'vitest';
import { AtOnce } from './at-once.ts';

it('counts what is under way, for one and for all', () => {
  const atOnce = new AtOnce({ perKey: 2, inAll: 3 });
  const ends: (() => void)[] = [];
  const begin = (key: string) => atOnce.begin(key, (ended) => ends.push(ended));
  expect(['a', 'a', 'a', 'b', 'b'].map(begin)).toEqual([true, true, false, true, false]);
  ends[0]?.();
  expect(['a', 'a', 'b'].map(begin)).toEqual([true, false, false]);
  for (const end of ends.slice(1)) end();
  expect(['a', 'a', 'b'].map(begin)).toEqual([true, true, true]);
});
