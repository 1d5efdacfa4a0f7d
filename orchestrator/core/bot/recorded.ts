/** The numbers that every change of a bot's record gets as it is stored, whatever it was. Pure. */
import type { BotRecord } from '../records.ts';
import { changed } from './record.ts';

/** The numbers of a bot that its worker has seen in another history of the store. */
export interface SeenNumbers {
  readonly generation: number;
  readonly epoch: number;
}

export interface Numbering {
  /** As it is stored now; undefined for a new one. */
  readonly before: BotRecord | undefined;
  /** How far the store gets with this change. */
  readonly seq: number;
  /** The number of the event that reports it. */
  readonly eventSeq: number;
  readonly now: number;
  /** Asked for a decision alone. */
  readonly seen: (bot: BotRecord) => SeenNumbers | undefined;
}

/** The bot as it is to be stored. A raised generation or epoch is a decision: it is of this moment of the store. */
export function recorded(bot: BotRecord, { before, seq, eventSeq, now, seen }: Numbering): BotRecord {
  const numbers = { eventSeq, updatedAt: now };
  if (before?.generation === bot.generation && before.epoch === bot.epoch) {
    return changed(bot, { ...numbers, decidedSeq: before.decidedSeq });
  }
  return changed(above(bot, seen(bot)), { ...numbers, decidedSeq: seq });
}

/** The bot with numbers above those, by two: the decision before one that still waits needs a number of its own. */
function above(bot: BotRecord, seen: SeenNumbers | undefined): BotRecord {
  if (seen === undefined || bot.generation > seen.generation + 1) return bot;
  const generation = seen.generation + 2;
  const revision = bot.revision === bot.generation ? generation : bot.revision;
  return changed(bot, { generation, revision, epoch: Math.max(bot.epoch, seen.epoch) });
}

/** The same record as a removal shows it. Not to be stored. */
export const shownAsRemoved = (bot: BotRecord): BotRecord => changed(bot, { desired: 'removed' });
