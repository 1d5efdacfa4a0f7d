/** Table of events, each written in the commit of the change it reports. */

import { type BotKey, botKeyText } from '#common/ids.ts';
import type { EventBody, EventRecord } from '../../core/records.ts';
import type { Statements } from '../damage.ts';
import { EventIndex, type UserEventSeqs } from '../event-index.ts';
import { column, keyColumn } from './columns.ts';
import { jsonOf, numberOf, type Row, textOf } from './row.ts';

const noBody = {};

const toEventRow = (row: Row): Omit<EventRecord, 'body'> & { readonly body: EventBody | typeof noBody } => ({
  seq: numberOf(row, 'seq'),
  eventId: textOf(row, 'event_id'),
  userId: textOf(row, 'user_id'),
  botId: textOf(row, 'bot_id'),
  botSeq: numberOf(row, 'bot_seq'),
  subjectId: textOf(row, 'subject_id'),
  body: jsonOf<EventBody | typeof noBody>(row, 'payload', noBody),
  at: numberOf(row, 'at'),
});

/** None for an event that cannot be read any more: its readers continue with the next one. */
function toEvents(row: Row): readonly EventRecord[] {
  const { body, ...event } = toEventRow(row);
  return 'kind' in body && ['bot', 'job', 'worker'].includes(body.kind) ? [{ ...event, body }] : [];
}

/** A page of `limit` events, so that a shorter one means the end, whatever could not be read on the way. */
function page(seq: number, limit: number, rowsAfter: (seq: number, limit: number) => readonly Row[]) {
  const events: EventRecord[] = [];
  for (let after = seq; ; ) {
    const rows = rowsAfter(after, limit - events.length);
    const last = rows.at(-1);
    const full = rows.length === limit - events.length;
    events.push(...rows.flatMap(toEvents));
    if (last === undefined || !full || events.length >= limit) return events;
    after = numberOf(last, 'seq');
  }
}

const floorKey = 'events_floor';

export const eventColumns = [
  keyColumn<EventRecord>('seq', ({ seq }) => seq),
  column<EventRecord>('event_id', ({ eventId }) => eventId),
  column<EventRecord>('user_id', ({ userId }) => userId),
  column<EventRecord>('bot_id', ({ botId }) => botId),
  column<EventRecord>('bot_seq', ({ botSeq }) => botSeq),
  column<EventRecord>('kind', ({ body }) => body.kind),
  column<EventRecord>('subject_id', ({ subjectId }) => subjectId),
  column<EventRecord>('payload', ({ body }) => JSON.stringify(body)),
  column<EventRecord>('at', ({ at }) => at),
];

export interface EventReader {
  after(seq: number, limit: number): readonly EventRecord[];
  latestOfBot(bot: BotKey): EventRecord | undefined;
  lastBotSeq(bot: BotKey): number;
  lastSeq(): number;
  ofUserAfter(userId: string, seq: number, limit: number): readonly EventRecord[];
  lastOf(
    userId: string,
    query: { readonly botId?: string; readonly jobs: boolean },
    limit: number,
  ): readonly EventRecord[];
  latestOfBots(seq: number, limit: number): readonly EventRecord[];
  latestOfWorkers(): readonly EventRecord[];
  /** Events of the user up to this seq may be missing; without a user, those of everybody. */
  floor(userId?: string): number;
  /** Of those that `prune` may remove for their number. */
  count(): number;
  prune(bounds: { readonly before: number; readonly keep: number; readonly limit: number }): number;
  heldBy(userId: string): { readonly events: number; readonly bytes: number };
  /** What `prune` has removed is removed. Returns up to where some are gone. */
  pruned(): number;
  /** They are on disk. */
  added(events: readonly EventRecord[]): void;
}

// Of one statement, while the index is read at the start.
const placesRead = 10_000;

/** Events as they are kept; new ones are written with their commit. Reads where they are at once. */
export function createOutboxReader(db: Statements): EventReader {
  const after = db.prepare('SELECT * FROM outbox WHERE seq > ? ORDER BY seq LIMIT ?');
  const those = db.prepare('SELECT * FROM outbox WHERE seq IN (SELECT value FROM json_each(?)) ORDER BY seq');
  // Of those, the ones that say how a bot is now.
  const current = db.prepare(`
    SELECT outbox.* FROM outbox JOIN bots USING (user_id, bot_id)
    WHERE seq IN (SELECT value FROM json_each(?)) AND outbox.bot_seq = bots.event_seq ORDER BY seq`);
  const places = db.prepare(`
    SELECT seq, user_id, bot_id, bot_seq, kind, subject_id, octet_length(payload) AS bytes FROM outbox WHERE seq > ? ORDER BY seq LIMIT ?`);
  // AUTOINCREMENT keeps this (https://www.sqlite.org/autoinc.html): no number occurs twice, whatever is removed.
  const lastSeq = db.prepare("SELECT seq FROM sqlite_sequence WHERE name = 'outbox'");
  const getMeta = db.prepare('SELECT value FROM meta WHERE key = ?');
  const setMeta = db.prepare('INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)');
  const oldest = db.prepare('SELECT seq, at FROM outbox WHERE seq > ? ORDER BY seq LIMIT ?');
  const removeBetween = db.prepare(`
    DELETE FROM outbox WHERE seq <= ?1 AND NOT (kind = 'bot' AND EXISTS (
      SELECT 1 FROM bots
      WHERE bots.user_id = outbox.user_id AND bots.bot_id = outbox.bot_id AND bots.event_seq = outbox.bot_seq))`);
  const left = db.prepare('SELECT seq FROM outbox WHERE seq <= ?');
  const removeThose = db.prepare(`
    DELETE FROM outbox WHERE seq IN (SELECT value FROM json_each(?)) AND NOT (kind = 'bot' AND EXISTS (
      SELECT 1 FROM bots
      WHERE bots.user_id = outbox.user_id AND bots.bot_id = outbox.bot_id AND bots.event_seq = outbox.bot_seq))
    RETURNING seq`);
  const setFloor = db.prepare('INSERT OR REPLACE INTO event_floors (user_id, seq) VALUES (?, ?)');
  const floors = new Map(
    db
      .prepare('SELECT user_id, seq FROM event_floors')
      .all()
      .map((row) => [textOf(row, 'user_id'), numberOf(row, 'seq')]),
  );
  /** What the last call of `prune` has removed of users who had too many. */
  let removed: readonly (UserEventSeqs & { readonly upTo: number })[] = [];

  const index = new EventIndex();
  for (let from = 0, rows = places.all(from, placesRead); rows.length > 0; rows = places.all(from, placesRead)) {
    for (const row of rows) {
      from = numberOf(row, 'seq');
      index.add({
        seq: from,
        userId: textOf(row, 'user_id'),
        botId: textOf(row, 'bot_id'),
        botSeq: numberOf(row, 'bot_seq'),
        kind: textOf(row, 'kind'),
        subjectId: textOf(row, 'subject_id'),
        bytes: numberOf(row, 'bytes'),
      });
    }
  }
  const rowsOf = (seqs: readonly number[]): readonly Row[] =>
    seqs.length === 0 ? [] : those.all(JSON.stringify(seqs));
  const currentAfter = (seq: number, count: number): readonly Row[] => {
    const rows: Row[] = [];
    let seqs: number[] = [];
    const read = () => {
      rows.push(...current.all(JSON.stringify(seqs)));
      seqs = [];
    };
    for (const place of index.latestOfBots()) {
      if (place.seq > seq) seqs.push(place.seq);
      if (seqs.length + rows.length < count) continue;
      read();
      if (rows.length >= count) return rows;
    }
    if (seqs.length > 0) read();
    return rows;
  };
  const readLastSeq = () => Number(lastSeq.get()?.['seq'] ?? 0);
  const readFloor = () => Number(getMeta.get(floorKey)?.['value'] ?? 0);
  const floorOf = (userId?: string) => Math.max(readFloor(), userId === undefined ? 0 : (floors.get(userId) ?? 0));
  return {
    after: (seq, limit) => page(seq, limit, (from, count) => after.all(from, count)),
    ofUserAfter: (userId, seq, limit) => page(seq, limit, (from, count) => rowsOf(index.ofUser(userId, from, count))),
    lastOf: (userId, { botId = '', jobs }, limit) => {
      const wants = (subject: { readonly botId: string; readonly kind: string }) =>
        (botId === '' || subject.botId === botId) && (subject.kind === 'bot' || (jobs && subject.kind === 'job'));
      return rowsOf(index.lastOf(userId, wants, limit)).flatMap(toEvents);
    },
    latestOfBots: (seq, limit) => page(seq, limit, currentAfter),
    latestOfBot: (bot) => {
      const latest = index.latestOfBot(botKeyText(bot));
      return latest && rowsOf([latest.seq]).flatMap(toEvents)[0];
    },
    latestOfWorkers: () => rowsOf(index.latestOfWorkers()).flatMap(toEvents),
    lastBotSeq: (bot) => index.latestOfBot(botKeyText(bot))?.botSeq ?? 0,
    heldBy: (userId) => index.heldBy(userId),
    lastSeq: readLastSeq,
    floor: floorOf,
    count: () => index.countAfter(floorOf),
    prune: ({ before, keep, limit }) => {
      removed = [];
      const rows = oldest.all(readFloor(), limit);
      // Even if the clock jumped, what is missing should be everything up to one number.
      const stays = rows.findIndex((row) => numberOf(row, 'at') >= before);
      const count = stays === -1 ? rows.length : stays;
      const last = rows[count - 1];
      if (last === undefined) {
        const beyond = index.beyond(keep, floorOf, limit);
        removed = beyond.map(({ userId, seqs }) => {
          const upTo = seqs.at(-1) ?? 0;
          setFloor.run(userId, upTo);
          const gone = removeThose.all(JSON.stringify(seqs)).map((row) => numberOf(row, 'seq'));
          return { userId, upTo, seqs: gone.sort((a, b) => a - b) };
        });
        // Also those that stay.
        return beyond.reduce((sum, { seqs }) => sum + seqs.length, 0);
      }
      const upTo = numberOf(last, 'seq');
      setMeta.run(floorKey, String(upTo));
      removeBetween.run(upTo);
      return count;
    },
    pruned: () => {
      for (const { userId, upTo } of removed) floors.set(userId, upTo);
      index.remove(removed);
      if (removed.length > 0) return removed.reduce((most, each) => Math.max(most, each.upTo), 0);
      const upTo = readFloor();
      index.forget(upTo, new Set(left.all(upTo).map((row) => numberOf(row, 'seq'))));
      return upTo;
    },
    added: (events) => {
      for (const { seq, userId, botId, botSeq, body, subjectId } of events) {
        index.add({ seq, userId, botId, botSeq, kind: body.kind, subjectId, bytes: JSON.stringify(body).length });
      }
    },
  };
}
