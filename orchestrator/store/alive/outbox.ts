/** Events: those of the batch, and the newest that are on disk, which those who watch read right after their commit. */
import { type BotKey, botKeyText } from '#common/ids.ts';
import type { EventRecord } from '../../core/records.ts';
import type { OutboxTable } from '../tables.ts';
import type { Undo } from './undo.ts';

const keptMax = 8_192;
const keptMin = 4_096;

/** What is read of events where they are kept. */
export interface KeptEvents extends Pick<OutboxTable, 'latestOfBot' | 'lastBotSeq'> {
  after(seq: number, limit: number): readonly EventRecord[];
}

export interface AliveOutbox {
  readonly table: Pick<OutboxTable, 'add' | 'latestOfBot' | 'lastBotSeq' | 'lastSeq'>;
  /** The seq of the newest on disk. */
  lastOnDisk(): number;
  /** Those on disk after `seq`, oldest first, at most `limit`. */
  after(seq: number, limit: number): readonly EventRecord[];
  /** Not on disk yet, oldest first. */
  readonly added: () => readonly EventRecord[];
  /** They are on disk. */
  settle(): void;
  /** Events up to here are read where they are kept: some are gone. */
  forget(seq: number): void;
}

/** `onDisk` reads events where they are kept; `lastSeq` is that of the newest there ever was. */
export function createAliveOutbox(undo: Undo, onDisk: KeptEvents, lastSeq: number): AliveOutbox {
  let seq = lastSeq;
  let seqOnDisk = lastSeq;
  let added: EventRecord[] = [];
  /** Without a hole, up to the newest on disk. */
  let newest: EventRecord[] = [];
  const addedOf = (bot: BotKey): EventRecord | undefined =>
    added.findLast((event) => event.body.kind === 'bot' && botKeyText(event) === botKeyText(bot));
  return {
    added: () => added,
    settle() {
      newest.push(...added);
      seqOnDisk = seq;
      if (newest.length > keptMax) newest = newest.slice(-keptMin);
      added = [];
    },
    forget(upTo) {
      newest = newest.filter((event) => event.seq > upTo);
    },
    lastOnDisk: () => seqOnDisk,
    after(from, limit) {
      const first = newest[0]?.seq;
      if (first === undefined || from + 1 < first) {
        // Where they are kept they are seen as soon as they are written, which is before they are on disk.
        return onDisk.after(from, limit).filter((event) => event.seq <= seqOnDisk);
      }
      return newest.slice(from + 1 - first, from + 1 - first + limit);
    },
    table: {
      add: (event) => {
        seq += 1;
        const record = { ...event, seq };
        added.push(record);
        undo.push(() => {
          added.pop();
          seq -= 1;
        });
        return record;
      },
      latestOfBot: (bot) => addedOf(bot) ?? onDisk.latestOfBot(bot),
      lastBotSeq: (bot) => addedOf(bot)?.botSeq ?? onDisk.lastBotSeq(bot),
      lastSeq: () => seq,
    },
  };
}
