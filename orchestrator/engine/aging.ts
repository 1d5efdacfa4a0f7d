/** Warns the owners of bots that get too old, and stops those bots. In the transaction of the caller. */
import { warned } from '../core/bot/aged.ts';
import { judgeAge, warnBeforeMs } from '../core/max-runtime.ts';
import type { BotRecord, Notice } from '../core/records.ts';
import type { Reading } from '../store/tables.ts';
import { acceptJob } from './accept.ts';
import type { Change } from './change.ts';
import type { EngineContext } from './context.ts';

/** Does what is due. Every bot it looks at is dealt with, so that the next time is later than now. */
export function endOldBots(context: EngineContext, change: Change): void {
  const { maxRuntimeMs } = context.settings;
  for (const bot of change.tx.bots.aging(change.now + warnBeforeMs)) {
    const verdict = judgeAge(bot, change.now, maxRuntimeMs);
    if (verdict.kind === 'warn') change.putNotice(warned(bot, verdict.stopsAt, verdict.notice), verdict.notice);
    else if (verdict.kind === 'stop') endBot(context, change, bot, verdict.notice);
  }
}

/** Stops the bot by a job of its owner, as any other stop: it ends the bot's open jobs, and is visible. */
function endBot(context: EngineContext, change: Change, bot: BotRecord, notice: Notice): void {
  const { userId, botId } = change.putNotice(bot, notice);
  const message = 'a bot has reached MAX_RUNTIME_HOURS and is stopped';
  change.afterCommit({ kind: 'log', about: { userId, botId }, message });
  const input = { action: 'stop', params: { notice: notice.message } } as const;
  acceptJob(context, change, { userId, botId, blueprint: 'bot_runner', input });
}

/** When endOldBots has something to do next. */
export const nextAging = (tables: Reading): number | undefined => {
  const next = tables.bots.nextAging();
  const times = [next.unwarned === undefined ? undefined : next.unwarned - warnBeforeMs, next.warned];
  const known = times.filter((time) => time !== undefined);
  return known.length === 0 ? undefined : Math.min(...known);
};
