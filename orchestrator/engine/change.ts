/**
 * One change: a transaction, the time it happens at, new ids, and what to do once it is on disk. All that the engine writes of bots,
 * jobs and tasks goes through here, so that every change has its event. Pure except for its inputs: it may be run twice.
 */
import type { BotKey } from '#common/ids.ts';
import type { SessionResponse } from '#gen/botrunner/v1/worker_service_pb.js';
import { recorded, type SeenNumbers, shownAsRemoved } from '../core/bot/recorded.ts';
import { done } from '../core/job.ts';
import type { BotRecord, EventBody, JobRecord, Notice, ShownBot, TaskRecord, WorkerStatus } from '../core/records.ts';
import { shownBot, shownJob } from '../core/shown.ts';
import type { Tables } from '../store/tables.ts';

/** What is done after the commit. Each may be lost, and may happen twice. */
export type CommitEffect =
  /** To a worker, if it has a session; otherwise it gets everything in its next Welcome. */
  | { readonly kind: 'send'; readonly workerId: string; readonly body: SessionResponse['body'] }
  /** The log that a logs job asks for is to be read; the answer comes as an event of its own. */
  | { readonly kind: 'read_log'; readonly job: JobRecord }
  /** The bots that have the tokens of a job that waits to take them over are to be stopped. */
  | { readonly kind: 'make_room'; readonly jobId: string }
  /** A task that any worker may take has been made. */
  | { readonly kind: 'task_offered'; readonly type: string }
  | { readonly kind: 'job_changed'; readonly job: JobRecord }
  | { readonly kind: 'log'; readonly about: Readonly<Record<string, string>>; readonly message: string };

export interface Change {
  readonly tx: Tables;
  /** Wall time of the change, ms. */
  readonly now: number;
  /** A new id of a job, a task or an upload: each sorts after all earlier ones. */
  newId(): string;
  /** Done after the commit, in order; never when it fails. */
  afterCommit(effect: CommitEffect): void;
  /** Writes the bot and the event that reports it. Returns it as it is stored. */
  putBot(bot: BotRecord): BotRecord;
  /** Writes the bot where nothing visible to people has changed. */
  keepBot(bot: BotRecord): BotRecord;
  /** Removes the bot's row; its last event says that it is deleted. */
  removeBot(bot: BotRecord): void;
  /**
   * Sends the bot's owner a notice though nothing about the bot changes: an event with the bot as it is and the notice.
   * Returns the bot with its new event number, which is the one to continue with.
   */
  putNotice(bot: BotRecord, notice: Notice): BotRecord;
  /** Writes a new job, its first state and its event. */
  addJob(job: JobRecord): JobRecord;
  /** Writes the job and the event that reports it. */
  putJob(job: JobRecord): JobRecord;
  putTask(task: TaskRecord): void;
  /** Nobody needs the job's task any more. */
  endTask(job: Pick<JobRecord, 'taskId'>): void;
  /** Publishes a worker's new status. */
  publishWorker(worker: WorkerStatus): void;
}

/** What a change needs besides the rows. */
export interface ChangeInputs {
  /** Wall time, ms. */
  readonly now: number;
  readonly newId: () => string;
  readonly newEventId: () => string;
  /** The bot as people see it: `unknown`, with the reason, while its worker is silent. */
  readonly seen: (bot: ShownBot) => ShownBot;
  /** The numbers of the bot that its worker has seen in another history of the store. */
  readonly seenNumbers: (bot: BotRecord) => SeenNumbers | undefined;
}

/** Builds the change for one transaction; `effects` collects what is to be done after the commit. */
export function createChange(tx: Tables, inputs: ChangeInputs, effects: CommitEffect[]): Change {
  const { now, newId, newEventId, seen, seenNumbers } = inputs;
  const afterCommit = (effect: CommitEffect) => {
    effects.push(effect);
  };
  function publish(key: BotKey, botSeq: number, subjectId: string, body: EventBody): void {
    tx.outbox.add({ userId: key.userId, botId: key.botId, botSeq, subjectId, body, eventId: newEventId(), at: now });
  }
  /** A bot that was deleted and made again continues counting, as far as its events are kept. */
  const nextSeq = (bot: BotRecord): number => (bot.eventSeq || tx.outbox.lastBotSeq(bot)) + 1;
  function putBot(bot: BotRecord, notice?: Notice): BotRecord {
    const numbering = {
      before: tx.bots.get(bot),
      seq: tx.outbox.lastSeq() + 1,
      eventSeq: nextSeq(bot),
      now,
      seen: seenNumbers,
    };
    const next = recorded(bot, numbering);
    tx.bots.put(next);
    const body: EventBody = { kind: 'bot', bot: seen(shownBot(next)), ...(notice ? { notice } : {}) };
    publish(next, next.eventSeq, next.botId, body);
    return next;
  }
  function putJob(job: JobRecord): JobRecord {
    const next: JobRecord = { ...job, updatedAt: now };
    tx.jobs.put(next);
    publish({ userId: next.userId, botId: next.botId }, 0, next.jobId, { kind: 'job', job: shownJob(next) });
    afterCommit({ kind: 'job_changed', job: next });
    return next;
  }
  return {
    tx,
    now,
    newId,
    afterCommit,
    putBot: (bot) => putBot(bot),
    keepBot(bot) {
      tx.bots.put(bot);
      return bot;
    },
    putNotice: (bot, notice) => putBot(bot, notice),
    removeBot(bot) {
      tx.bots.remove(bot);
      publish(bot, nextSeq(bot), bot.botId, { kind: 'bot', bot: shownBot(shownAsRemoved(bot)), deleted: true });
    },
    addJob(job) {
      const added = putJob(job);
      tx.jobs.addStep(job.jobId, job.state, now);
      return added;
    },
    putJob,
    putTask: (task) => tx.tasks.put(task),
    endTask({ taskId }) {
      const task = taskId === null ? undefined : tx.tasks.get(taskId);
      if (task !== undefined && task.status !== 'done') tx.tasks.put(done(task, now));
    },
    publishWorker(worker) {
      publish({ userId: '', botId: '' }, 0, worker.workerId, { kind: 'worker', worker });
    },
  };
}
