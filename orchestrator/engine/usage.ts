/** What a user has of all that is limited or grows in the store. */
import { type Usage, userLimitsOf } from '../core/user-limits.ts';
import type { UserHistory } from '../store/store.ts';
import type { Reading } from '../store/tables.ts';
import type { EngineContext } from './context.ts';
import { activeBots, deletedWithData } from './read.ts';

export function usageOf({ settings }: EngineContext, tables: Reading, userId: string, history: UserHistory): Usage {
  return {
    limits: userLimitsOf(settings, userId),
    bots: activeBots(tables, userId).size,
    keptBots: tables.bots.ofUser(userId).length,
    deletedWithData: deletedWithData(tables, userId),
    ...tables.artifacts.heldBy(userId),
    jobBytes: history.jobBytes + tables.jobs.openBytesOf(userId),
    endedJobs: history.jobs,
    events: history.events,
    eventBytes: history.eventBytes,
  };
}
