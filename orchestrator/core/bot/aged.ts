/**
 * How the operator's limit on the age of bots, and a change of the wall clock, alter a bot's record. The store does the last three for
 * all bots at once, by the same rules (test/contract/tables). Pure.
 */
import type { BotRecord, Notice } from '../records.ts';
import { changed } from './record.ts';

/** The bot after its owner was warned of when it will be stopped. */
export const warned = (bot: BotRecord, stopsAt: number, notice: Notice): BotRecord =>
  changed(bot, { stopsAt, ageWarned: true, notice: notice.message });

/** The bot under a limit that may have changed, 0 for none; a warning that was given stands unless there is more time now. */
export function limited(bot: BotRecord, maxRuntimeMs: number): BotRecord {
  const stopsAt = maxRuntimeMs === 0 ? null : bot.runsSince + maxRuntimeMs;
  if (bot.desired !== 'running' || bot.stopsAt === stopsAt) return bot;
  const hasMore = stopsAt === null || (bot.stopsAt !== null && stopsAt > bot.stopsAt);
  return bot.ageWarned && !hasMore ? bot : changed(bot, { stopsAt, ageWarned: false, notice: '' });
}

/** The bot after the wall clock was set by so much: times that lie ahead move with it. */
export const followingClock = (bot: BotRecord, stepMs: number): BotRecord =>
  bot.desired === 'running'
    ? changed(bot, { runsSince: bot.runsSince + stepMs, stopsAt: bot.stopsAt === null ? null : bot.stopsAt + stepMs })
    : bot;

/** The bot with no more time left than if it had been started now. */
export const boundAge = (bot: BotRecord, now: number): BotRecord =>
  bot.desired === 'running' && bot.runsSince > now
    ? changed(bot, { runsSince: now, stopsAt: bot.stopsAt === null ? null : now + (bot.stopsAt - bot.runsSince) })
    : bot;
