/** Events: those of the batch, numbered after the newest that is known, and for each bot that is asked about its newest one on disk. */
import { type BotKey, botKeyText } from '#common/ids.ts';
import type { EventRecord } from '../../core/records.ts';
import type { MetaTable, OutboxTable } from '../tables.ts';
import type { Loading } from './loading.ts';
import { Rows } from './rows.ts';
import type { Undo } from './undo.ts';

/** What is known of a bot's newest event on disk. Only read: events themselves are what is written. */
export interface LatestRow {
  /** Undefined when it cannot be read. */
  readonly event: EventRecord | undefined;
  readonly botSeq: number;
}

export interface OutboxPart {
  readonly table: OutboxTable;
  readonly latest: Rows<LatestRow>;
  /** Not on disk yet, oldest first. */
  readonly added: () => readonly EventRecord[];
  /** The seq of the newest event on disk that is known. */
  readonly afterSeq: () => number;
  /** They are on disk. */
  settle(): void;
}

const placeName = (reader: string): string => `events_place_${reader}`;

/** `lastSeq` is that of the newest event there ever was. */
export function createOutbox(undo: Undo, loading: Loading, meta: () => MetaTable, lastSeq: number): OutboxPart {
  let afterSeq = lastSeq;
  let added: EventRecord[] = [];
  const latest = new Rows<LatestRow>({ name: 'latest', undo, loading });
  /** Those of them that are about a bot, by bot. */
  const addedByBot = new Map<string, EventRecord[]>();
  const addedOf = (bot: BotKey): EventRecord | undefined => addedByBot.get(botKeyText(bot))?.at(-1);
  const addedTo = (bot: BotKey): EventRecord[] => {
    const text = botKeyText(bot);
    const events = addedByBot.get(text) ?? [];
    addedByBot.set(text, events);
    return events;
  };
  const seq = () => afterSeq + added.length;
  return {
    latest,
    added: () => added,
    afterSeq: () => afterSeq,
    settle() {
      afterSeq = seq();
      added = [];
      addedByBot.clear();
    },
    table: {
      add: (event) => {
        const record = { ...event, seq: seq() + 1 };
        const ofBot = record.body.kind === 'bot' ? addedTo(record) : undefined;
        added.push(record);
        ofBot?.push(record);
        undo.push(() => {
          added.pop();
          ofBot?.pop();
        });
        return record;
      },
      latestOfBot: (bot) => addedOf(bot) ?? latest.get(botKeyText(bot))?.event,
      lastBotSeq: (bot) => addedOf(bot)?.botSeq ?? latest.get(botKeyText(bot))?.botSeq ?? 0,
      lastSeq: seq,
      place: (reader) => {
        const value = meta().get(placeName(reader));
        return value === undefined ? undefined : Number(value);
      },
      setPlace: (reader, place) => meta().put(placeName(reader), String(place)),
    },
  };
}
