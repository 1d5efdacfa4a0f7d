/** Table of events, each written in the commit of the change it reports. */

import type { BotKey } from '#common/ids.ts';
import type { EventBody, EventRecord } from '../../core/records.ts';
import type { Statements } from '../damage.ts';
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
  floor(): number;
  prune(bounds: { readonly before: number; readonly keep: number; readonly limit: number }): number;
}

/** Events as they are kept; new ones are written with their commit. */
export function createOutboxReader(db: Statements): EventReader {
  const after = db.prepare('SELECT * FROM outbox WHERE seq > ? ORDER BY seq LIMIT ?');
  const ofUserAfter = db.prepare('SELECT * FROM outbox WHERE user_id = ? AND seq > ? ORDER BY seq LIMIT ?');
  const lastOf = db.prepare(`
    SELECT * FROM outbox WHERE user_id = ?1 AND (?2 = '' OR bot_id = ?2) AND (kind = 'bot' OR (?3 AND kind = 'job'))
    ORDER BY seq DESC LIMIT ?4`);
  // Not the bots' own order but that of events: a page can end anywhere and the next one begins after it.
  const latest = `
    SELECT outbox.* FROM bots JOIN outbox USING (user_id, bot_id)
    WHERE outbox.bot_seq = bots.event_seq AND outbox.kind = 'bot'`;
  const latestOfBots = db.prepare(`${latest} AND outbox.seq > ? ORDER BY outbox.seq LIMIT ?`);
  const latestOfBot = db.prepare(`
    SELECT * FROM outbox WHERE user_id = ? AND bot_id = ? AND kind = 'bot' ORDER BY bot_seq DESC LIMIT 1`);
  const latestOfWorkers = db.prepare(`
    SELECT * FROM outbox WHERE seq IN (SELECT max(seq) FROM outbox WHERE user_id = '' GROUP BY subject_id)`);
  const lastBotSeq = db.prepare(
    "SELECT max(bot_seq) AS last FROM outbox WHERE user_id = ? AND bot_id = ? AND kind = 'bot'",
  );
  // AUTOINCREMENT keeps this (https://www.sqlite.org/autoinc.html): no number occurs twice, whatever is removed.
  const lastSeq = db.prepare("SELECT seq FROM sqlite_sequence WHERE name = 'outbox'");
  const getMeta = db.prepare('SELECT value FROM meta WHERE key = ?');
  const setMeta = db.prepare('INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)');
  const oldest = db.prepare('SELECT seq, at FROM outbox WHERE seq > ? ORDER BY seq LIMIT ?');
  const removeBetween = db.prepare(`
    DELETE FROM outbox WHERE seq <= ?1 AND NOT (kind = 'bot' AND EXISTS (
      SELECT 1 FROM bots
      WHERE bots.user_id = outbox.user_id AND bots.bot_id = outbox.bot_id AND bots.event_seq = outbox.bot_seq))`);

  const readLastSeq = () => Number(lastSeq.get()?.['seq'] ?? 0);
  const readFloor = () => Number(getMeta.get(floorKey)?.['value'] ?? 0);
  return {
    after: (seq, limit) => page(seq, limit, (from, count) => after.all(from, count)),
    ofUserAfter: (userId, seq, limit) => page(seq, limit, (from, count) => ofUserAfter.all(userId, from, count)),
    lastOf: (userId, { botId = '', jobs }, limit) =>
      lastOf
        .all(userId, botId, jobs ? 1 : 0, limit)
        .flatMap(toEvents)
        .reverse(),
    latestOfBots: (seq, limit) => page(seq, limit, (from, count) => latestOfBots.all(from, count)),
    latestOfBot: ({ userId, botId }) => {
      const row = latestOfBot.get(userId, botId);
      return row && toEvents(row)[0];
    },
    latestOfWorkers: () => latestOfWorkers.all().flatMap(toEvents),
    lastBotSeq: ({ userId, botId }) => Number(lastBotSeq.get(userId, botId)?.['last'] ?? 0),
    lastSeq: readLastSeq,
    floor: readFloor,
    prune: ({ before, keep, limit }) => {
      const excess = readLastSeq() - keep;
      const rows = oldest.all(readFloor(), limit);
      // Even if the clock jumped, what is missing should be everything up to one number.
      const stays = rows.findIndex((row) => numberOf(row, 'at') >= before && numberOf(row, 'seq') > excess);
      const count = stays === -1 ? rows.length : stays;
      const last = rows[count - 1];
      if (last === undefined) return 0;
      setMeta.run(floorKey, String(numberOf(last, 'seq')));
      removeBetween.run(numberOf(last, 'seq'));
      return count;
    },
  };
}
