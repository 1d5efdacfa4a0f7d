/** Asks every other worker that may have a bot's volume to remove it. In the transaction of the caller. */
import type { BotRecord } from '../core/records.ts';
import type { Change } from './change.ts';
import type { EngineContext } from './context.ts';
import { toRemoval } from './specs.ts';

/** The bot's own worker does it with the bot. One that is away is asked when it is back. */
export function purgeElsewhere(context: EngineContext, change: Change, bot: BotRecord): void {
  const { tx } = change;
  const already = tx.leftovers.ofBot(bot);
  for (const workerId of tx.botVolumes.workersOf(bot)) {
    if (workerId === bot.workerId) continue;
    const copy = already.some((leftover) => leftover.workerId === workerId && leftover.copy);
    const { userId, botId, epoch, generation } = bot;
    const leftover = { workerId, userId, botId, epoch, generation, purge: true, copy, taskId: context.newId() };
    tx.leftovers.put(leftover);
    change.afterCommit(() => {
      context.fleet.send(workerId, { case: 'ensure', value: toRemoval(leftover, context.settings.stopGraceMs) });
    });
  }
}
