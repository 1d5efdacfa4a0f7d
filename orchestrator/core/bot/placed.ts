/** Where a bot is: how placing it, moving it and forgetting its worker change its record. Pure. */
import type { BotRecord } from '../records.ts';
import { changed } from './record.ts';

/** The bot on a worker. On a different one it is a new placement: what was observed before does not apply. */
export const placed = (bot: BotRecord, workerId: string): BotRecord =>
  bot.workerId === workerId
    ? bot
    : changed(bot, {
        workerId,
        epoch: bot.epoch + 1,
        leaving: false,
        observed: {},
        ...(bot.leaving ? { state: 'pending' } : {}),
      });

/**
 * The bot after a move that did not succeed. `failed`: its new worker says that it could not be started there, which is the only
 * case in which it may go back once it was placed there; in every other it might run there by now. Undefined: it stays where it is.
 */
export function returned(bot: BotRecord, from: string, failed: boolean): BotRecord | undefined {
  if (bot.desired !== 'running' || from === '') return undefined;
  const generation = bot.generation + 1;
  if (bot.leaving) return changed(bot, { generation, leaving: false });
  if (!failed || bot.workerId === from || bot.observed.containerId !== undefined) return undefined;
  return changed(bot, { generation, workerId: from, epoch: bot.epoch + 1, state: 'pending', observed: {} });
}

/**
 * The bot of a worker that was forgotten. `moves`: an open start goes to another worker; should it fail there, nothing runs,
 * whatever ran before. Else it is stopped, if it was not to be removed anyway.
 */
export function freed(bot: BotRecord, workerId: string, moves: boolean): BotRecord {
  const free = { workerId: null, leaving: false, pendingTask: null, observed: {} } as const;
  if (moves) {
    return changed(bot, { ...free, undo: bot.undo === null ? null : { ...bot.undo, desired: 'stopped' } });
  }
  if (bot.desired === 'removed') return changed(bot, { ...free, undo: null });
  return changed(bot, {
    ...free,
    undo: null,
    desired: 'stopped',
    generation: bot.generation + 1,
    state: bot.state === 'failed' ? 'failed' : 'stopped',
    ...(bot.desired === 'running'
      ? { notice: `its worker ${workerId} was forgotten: start it again to run it elsewhere` }
      : {}),
  });
}

/** The bot as it was before a job whose task no worker has yet: what its worker is to keep up meanwhile. Not to be stored. */
export function beforeItsJob(bot: BotRecord): BotRecord {
  const { undo } = bot;
  if (undo === null) return bot;
  const { desired, revision, specSealed } = undo;
  return changed(bot, { desired, revision, specSealed, generation: bot.generation - 1 });
}
