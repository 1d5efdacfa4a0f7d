/** What is remembered of the clock, in the table of single values. */

import type { AgeMark } from '#common/age-clock.ts';
import type { ClockMark } from '#common/clock-steps.ts';
import type { Statements } from '../damage.ts';
import type { ClockTable } from '../tables.ts';
import { jsonOf } from './row.ts';

export function createClockTable(db: Statements): ClockTable {
  const get = db.prepare('SELECT value FROM meta WHERE key = ?');
  const set = db.prepare('INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)');
  const read = <T>(key: string): T | undefined => {
    const row = get.get(key);
    return row && jsonOf<T | undefined>(row, 'value', undefined);
  };
  const write = (key: string, value: unknown) => {
    set.run(key, JSON.stringify(value));
  };
  return {
    mark: () => read<ClockMark>('clock_mark'),
    setMark: (mark) => write('clock_mark', mark),
    ageMark: () => read<AgeMark>('clock_age_mark'),
    setAgeMark: (mark) => write('clock_age_mark', mark),
  };
}
