/**
 * The operator's limit on how long a bot may run (MAX_RUNTIME_HOURS). Pure; times are wall time in ms.
 *
 * 1. What counts is the time since its user last started, updated or restarted it, whatever crashes lie between.
 * 2. Nobody's bot is stopped without a warning ten minutes before, also when the limit is new or nobody could warn in time.
 */
import type { BotRecord, Notice } from './records.ts';

export const warnBeforeMs = 10 * 60_000;
const hourMs = 3_600_000;

/** What a bot's row says of its age. */
export type Age = Pick<BotRecord, 'runsSince' | 'stopsAt' | 'ageWarned' | 'notice'>;

/** For a bot whose user decides now that it should run. `maxRuntimeMs` 0: no limit. */
export const freshAge = (now: number, maxRuntimeMs: number): Age => ({
  runsSince: now,
  stopsAt: maxRuntimeMs > 0 ? now + maxRuntimeMs : null,
  ageWarned: false,
  notice: '',
});

export type AgeVerdict =
  | { readonly kind: 'too-early' }
  | { readonly kind: 'warn'; readonly stopsAt: number; readonly notice: Notice }
  | { readonly kind: 'stop'; readonly notice: Notice };

/** What is to be done about a bot that should run. */
export function judgeAge(bot: Age, now: number, maxRuntimeMs: number): AgeVerdict {
  if (bot.stopsAt === null || now < bot.stopsAt - warnBeforeMs) return { kind: 'too-early' };
  const limit = `${maxRuntimeMs / hourMs} h`;
  if (!bot.ageWarned) {
    const stopsAt = Math.max(bot.stopsAt, now + warnBeforeMs);
    const when = new Date(stopsAt).toISOString();
    const message = `The bot will be stopped at ${when}: the operator limits bots to ${limit}. Restart it to keep it running.`;
    return { kind: 'warn', stopsAt, notice: { code: 'MAX_RUNTIME_SOON', message } };
  }
  if (now < bot.stopsAt) return { kind: 'too-early' };
  const message = `The bot was stopped because it had run for ${limit}, the operator's limit. Start it again if it should keep running.`;
  return { kind: 'stop', notice: { code: 'MAX_RUNTIME_REACHED', message } };
}
