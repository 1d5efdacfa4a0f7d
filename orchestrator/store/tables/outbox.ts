/** Table of events, each written in the commit of the change it tells. */
import type { DatabaseSync } from 'node:sqlite';
import type { EventKind, EventRecord } from '../../core/records.ts';
import type { OutboxTable } from '../store.ts';
import { jsonOf, numberOf, type Row, textOf } from './row.ts';

const toEvent = (row: Row): EventRecord => ({
  seq: numberOf(row, 'seq'),
  eventId: textOf(row, 'event_id'),
  userId: textOf(row, 'user_id'),
  botId: textOf(row, 'bot_id'),
  botSeq: numberOf(row, 'bot_seq'),
  kind: textOf(row, 'kind') as EventKind, // written from an EventKind below
  subjectId: textOf(row, 'subject_id'),
  payload: jsonOf(row, 'payload'),
  at: numberOf(row, 'at'),
});

export function createOutboxTable(db: DatabaseSync): OutboxTable {
  const add = db.prepare(`
    INSERT INTO outbox (event_id, user_id, bot_id, bot_seq, kind, subject_id, payload, at)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)`);
  const after = db.prepare('SELECT * FROM outbox WHERE seq > ? ORDER BY seq LIMIT ?');
  const removeOlderThan = db.prepare('DELETE FROM outbox WHERE at < ?');
  return {
    add: (event) => {
      const { lastInsertRowid } = add.run(
        event.eventId,
        event.userId,
        event.botId,
        event.botSeq,
        event.kind,
        event.subjectId,
        JSON.stringify(event.payload),
        event.at,
      );
      return { ...event, seq: Number(lastInsertRowid) };
    },
    after: (seq, limit) => after.all(seq, limit).map(toEvent),
    removeOlderThan: (at) => {
      removeOlderThan.run(at);
    },
  };
}
