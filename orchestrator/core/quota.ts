/** How many bots a user may have. Pure; the caller counts and inserts in one transaction. */
import { fail, ok, problem, type Result } from '#common/problem.ts';
import { stopExample } from '#common/request-examples.ts';

/**
 * Whether one more bot may run. `active` are the ids that count: desired running, or about to be. A bot that is among
 * them already does not count twice.
 */
export function checkQuota(active: ReadonlySet<string>, botId: string, maxBots: number): Result<undefined> {
  if (active.has(botId) || active.size < maxBots) return ok(undefined);
  const names = [...active].sort();
  const [first] = names;
  return fail(
    problem('QUOTA_EXCEEDED', `You have ${active.size} of ${maxBots} bots.`, {
      details: { current_bots: active.size, max_bots: maxBots, active_bots: names },
      hint: first === undefined ? 'Ask the operator for a higher limit.' : `Stop one first, for example ${first}.`,
      ...(first === undefined ? {} : { example: stopExample(first) }),
    }),
  );
}
