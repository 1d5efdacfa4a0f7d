/** How long to wait, as people type it: 90, 90s, 5m, 1h30m. Pure. */
import { fail, ok, problem, type Result } from '#common/problem.ts';

const unitMs: Readonly<Record<string, number>> = { '': 1000, s: 1000, m: 60_000, h: 3_600_000 };
const maxMs = 24 * 3_600_000;

/** ms, 1 second to 24 hours; a number alone is seconds. */
export function parseTimeout(text: string): Result<number> {
  const ms = parseDuration(text) ?? 0;
  if (ms >= 1000 && ms <= maxMs) return ok(ms);
  const hint = 'For example: avtomatika-bot start my-bot --simple bot.py --timeout 5m';
  return fail(problem('INVALID_TIME', '--timeout takes a time from 1s to 24h, such as 90s or 5m.', { hint }));
}

/** ms; undefined for what is no time. */
export function parseDuration(text: string): number | undefined {
  if (!/^(?:\d{1,6}|(?:\d{1,6}[smh])+)$/.test(text)) return undefined;
  const parts = [...text.matchAll(/(\d+)([smh]?)/g)];
  return parts.reduce((sum, [, amount, unit = '']) => sum + Number(amount) * (unitMs[unit] ?? 0), 0);
}
