/** Table of the openings of the store. */
import type { Statements } from '../damage.ts';
import type { OpeningTable } from '../tables.ts';
import { numberOf, textOf } from './row.ts';

const kept = 10_000;

export function createOpeningTable(db: Statements): OpeningTable {
  const all = db.prepare('SELECT id, from_seq FROM openings ORDER BY n');
  const add = db.prepare(`
    INSERT INTO openings (id, from_seq, at)
    VALUES (?, coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'outbox'), 0), ?)`);
  const drop = db.prepare('DELETE FROM openings WHERE n <= (SELECT max(n) FROM openings) - ?');
  return {
    all: () =>
      all.all().map((row, index, rows) => ({
        id: textOf(row, 'id'),
        fromSeq: numberOf(row, 'from_seq'),
        after: index === 0 ? '' : textOf(rows[index - 1] ?? row, 'id'),
      })),
    add: (id, at) => {
      add.run(id, at);
      drop.run(kept);
    },
  };
}
