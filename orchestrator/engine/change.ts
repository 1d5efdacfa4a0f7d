/**
 * One change: a transaction, the time it happens at, and what to do once it is on disk. What changes a bot, a job or a
 * worker goes through here, so that no change is without its event.
 */
import type { BotKey } from '#common/ids.ts';
import type { BotRecord, EventBody, JobRecord, Notice, ShownBot, WorkerStatus } from '../core/records.ts';
import { shownBot, shownJob } from '../core/shown.ts';
import type { Tables } from '../store/store.ts';

export interface Change {
  readonly tx: Tables;
  /** Wall time of the change, ms. */
  readonly now: number;
  /** Runs after the commit, in order; never when it fails. */
  afterCommit(effect: () => void): void;
  /** Writes the bot and the event that tells of it. */
  putBot(bot: BotRecord): BotRecord;
  /** Writes the job and the event that tells of it. */
  putJob(job: JobRecord): JobRecord;
  /** Removes the bot's row; its last event says that it is deleted. */
  removeBot(bot: BotRecord): void;
  /**
   * Tells the bot's owner something though nothing of the bot changes: an event with the bot as it is and the notice.
   * Returns the bot with its new event number, which is the one to go on with.
   */
  tellNotice(bot: BotRecord, notice: Notice): BotRecord;
  /** Tells how a bot looks from now on though its row says what it said: its worker is silent, or is back. */
  tellBot(bot: BotRecord): BotRecord;
  /** Tells how a worker is from now on. */
  tellWorker(worker: WorkerStatus): void;
}

export interface Published {
  /** The bot as people see it: `unknown`, with the reason, while its worker is silent. */
  seen(bot: ShownBot): ShownBot;
  job(job: JobRecord): void;
  /** The numbers of the bot that its worker has seen in another history of the store. */
  seenNumbers(bot: BotRecord): SeenNumbers | undefined;
}

export interface SeenNumbers {
  readonly generation: number;
  readonly epoch: number;
}

/** The bot with numbers above those. Two, so that what comes before a decision that waits has one of its own. */
function above(bot: BotRecord, seen: SeenNumbers | undefined): BotRecord {
  if (seen === undefined || bot.generation > seen.generation + 1) return bot;
  const generation = seen.generation + 2;
  const revision = bot.revision === bot.generation ? generation : bot.revision;
  return { ...bot, generation, revision, epoch: Math.max(bot.epoch, seen.epoch) };
}

export interface ChangeParts {
  readonly tx: Tables;
  /** Wall time, ms. */
  readonly now: number;
  readonly published: Published;
  /** A new id of an event. */
  readonly eventId: () => string;
  /** Collects what is to run after the commit. */
  readonly effects: (() => void)[];
}

/** Builds the change for one transaction. */
export function createChange({ tx, now, published, eventId, effects }: ChangeParts): Change {
  const afterCommit = (effect: () => void) => {
    effects.push(effect);
  };
  function tell(key: BotKey, botSeq: number, subjectId: string, body: EventBody): void {
    tx.outbox.add({ userId: key.userId, botId: key.botId, botSeq, subjectId, body, eventId: eventId(), at: now });
  }
  /** A bot that was deleted and made again continues counting, as far as its events are kept. */
  const nextSeq = (bot: BotRecord): number => (bot.eventSeq || tx.outbox.lastBotSeq(bot)) + 1;
  /** A raised generation or epoch is a decision: it is of this moment of the store. */
  function decided(bot: BotRecord): BotRecord {
    const before = tx.bots.get(bot);
    if (before?.generation === bot.generation && before.epoch === bot.epoch) {
      return { ...bot, decidedSeq: before.decidedSeq };
    }
    return { ...above(bot, published.seenNumbers(bot)), decidedSeq: tx.outbox.lastSeq() + 1 };
  }
  function tellBot(bot: BotRecord, notice?: Notice): BotRecord {
    const next: BotRecord = { ...decided(bot), eventSeq: nextSeq(bot), updatedAt: now };
    tx.bots.put(next);
    const shown = published.seen(shownBot(next));
    tell(next, next.eventSeq, next.botId, { kind: 'bot', bot: shown, ...(notice ? { notice } : {}) });
    return next;
  }
  return {
    tx,
    now,
    afterCommit,
    putBot: (bot) => tellBot(bot),
    tellNotice: (bot, notice) => tellBot(bot, notice),
    tellBot: (bot) => tellBot(bot),
    removeBot(bot) {
      tx.bots.remove(bot);
      tell(bot, nextSeq(bot), bot.botId, { kind: 'bot', bot: shownBot({ ...bot, desired: 'removed' }), deleted: true });
    },
    putJob(job) {
      const next: JobRecord = { ...job, updatedAt: now };
      tx.jobs.put(next);
      tell({ userId: next.userId, botId: next.botId }, 0, next.jobId, { kind: 'job', job: shownJob(next) });
      afterCommit(() => published.job(next));
      return next;
    },
    tellWorker(worker) {
      tell({ userId: '', botId: '' }, 0, worker.workerId, { kind: 'worker', worker });
    },
  };
}
