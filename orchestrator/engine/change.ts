/** One change: a transaction, the time it happens at, and what to do once it is on disk. */
import { ulid } from 'ulid';
import type { BotKey } from '#common/ids.ts';
import type { Json } from '#common/problem.ts';
import type { BotRecord, EventKind, EventRecord, JobRecord } from '../core/records.ts';
import type { Tables } from '../store/store.ts';
import { botToJson } from '../views/bot-json.ts';
import { jobToJson } from '../views/job-json.ts';

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
}

export interface Published {
  event(event: EventRecord): void;
  job(job: JobRecord): void;
}

/** Builds the change for one transaction; `effects` collects what is to run after the commit. */
export function createChange(tx: Tables, now: number, published: Published, effects: (() => void)[]): Change {
  const afterCommit = (effect: () => void) => {
    effects.push(effect);
  };
  function tell(key: BotKey, botSeq: number, kind: EventKind, subjectId: string, payload: Json): void {
    const event = tx.outbox.add({ ...key, botSeq, kind, subjectId, payload, eventId: ulid(now), at: now });
    afterCommit(() => published.event(event));
  }
  return {
    tx,
    now,
    afterCommit,
    putBot(bot) {
      const next: BotRecord = { ...bot, eventSeq: bot.eventSeq + 1, updatedAt: now };
      tx.bots.put(next);
      tell(next, next.eventSeq, 'bot', next.botId, botToJson({ bot: next, state: next.state, runtime: '' }));
      return next;
    },
    putJob(job) {
      const next: JobRecord = { ...job, updatedAt: now };
      tx.jobs.put(next);
      tell({ userId: next.userId, botId: next.botId }, 0, 'job', next.jobId, jobToJson(next));
      afterCommit(() => published.job(next));
      return next;
    },
  };
}
