/** What becomes of a bot's record as its worker carries out what was decided. Pure. */
import { type JobAction, rowOf } from '../actions.ts';
import type { BotRecord, BotStateName, Observed } from '../records.ts';
import { shortReason } from '../worker-words.ts';
import { changed } from './record.ts';

/**
 * The decision was carried out: there is nothing to go back to any more, and nothing left to do. A stop that needed no worker, because the bot
 * was gone, is as good as one that its worker has reported.
 */
export const settled = (bot: BotRecord, action: JobAction): BotRecord =>
  changed(bot, {
    undo: null,
    pendingTask: null,
    ...(action === 'stop' ? { state: 'stopped' } : {}),
    ...(action === 'stop' && wasGone(bot) ? { observed: { ...bot.observed, generation: bot.generation } } : {}),
  });

/** The decision stands, whatever becomes of its job: its task outlives it. */
export const outliving = (bot: BotRecord, taskId: string | null): BotRecord => changed(bot, { pendingTask: taskId });

/**
 * Its worker has carried out what outlived its job. `failed`: that job was a start that failed; one that was called off did not, and
 * leaves a bot that has never run stopped.
 */
export const carriedOut = (bot: BotRecord, failed: boolean): BotRecord =>
  changed(bot, {
    pendingTask: null,
    ...(bot.desired === 'stopped' ? { state: bot.revision === 0 && failed ? 'failed' : 'stopped' } : {}),
  });

/** Its worker could not carry it out: the cause stays readable in status after the job is forgotten. */
export const blamed = (bot: BotRecord, cause: string): BotRecord =>
  changed(bot, { observed: { ...bot.observed, reason: shortReason(cause) } });

/** What a worker says of a bot. */
export interface Report {
  readonly epoch: number;
  readonly state: BotStateName;
  readonly observed: Observed;
  readonly observedAt: number;
}

/**
 * The bot by what a worker says of it, and whether that says more than a newer date. Undefined when it is not this worker's to say:
 * the bot is placed elsewhere, or the report is of an older placement.
 */
export function observed(
  bot: BotRecord,
  workerId: string,
  report: Report,
): { readonly bot: BotRecord; readonly isNews: boolean } | undefined {
  if (bot.workerId !== workerId || report.epoch < bot.epoch) return undefined;
  const state = nextState(bot, report);
  // The cause of a failed start is reported once, with the failure; later reports of "nothing there" do not erase it.
  const keepsCause = state === 'failed' && bot.state === 'failed' && report.observed.reason === undefined;
  const now = keepsCause ? bot.observed : report.observed;
  const isNews = state !== bot.state || !isSame(now, bot.observed);
  return { bot: changed(bot, { state, observed: now, observedAt: report.observedAt }), isNews };
}

/** The state to record. Some reports say less than is known already. */
function nextState(bot: BotRecord, { state, observed: { containerId } }: Report): BotStateName {
  // "No container" is how a bot that never ran looks from its worker; that it failed is the better answer.
  if (state === 'stopped' && bot.state === 'failed' && bot.desired === 'stopped') return 'failed';
  // The worker has not begun with the newest decision yet.
  if (state === 'stopped' && bot.desired === 'running' && containerId === undefined) return bot.state;
  return state;
}

/**
 * Disk space changes all the time: what depends on it is in the state and its reason. What protects a bot comes with its container, and
 * is complete once the disk was measured.
 */
const isSame = (a: Observed, b: Observed): boolean => JSON.stringify(newsOf(a)) === JSON.stringify(newsOf(b));

const newsOf = ({ disk: _disk, protection: _protection, ...news }: Observed) => news;

/**
 * Whether the bot certainly has no container: its worker has said so for the decision before this one. A state alone is no
 * proof, because a start that was called off sets it before its worker knows.
 */
export const wasGone = ({ state, generation, observed: { containerId, generation: seen } }: BotRecord): boolean =>
  (state === 'stopped' || state === 'failed') && containerId === undefined && seen === generation - 1;

/** Whether a failed job of the action leaves its decision in force. */
export const stands = (action: JobAction): boolean => rowOf(action).undo === 'stands';
