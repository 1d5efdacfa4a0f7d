/** Answers the reading actions: list and status from the store, logs from the bot's worker. */
import type { BotKey } from '#common/ids.ts';
import type { JsonObject } from '#common/json.ts';
import { ProblemError, problem } from '#common/problem.ts';
import type { JobRecord } from '../core/records.ts';
import type { Reading } from '../store/tables.ts';
import { botToJson } from '../views/bot-json.ts';
import type { EngineContext } from './context.ts';

/** Ids of a user's bots that count against the quota: those that may run, and those with an open start. */
export const activeBots = (tables: Reading, userId: string): ReadonlyMap<string, unknown> =>
  tables.bots.activeOf(userId);

function listResult(context: EngineContext, tables: Reading, userId: string): JsonObject {
  const bots = tables.bots.ofUser(userId).map((bot) => botToJson(context.fleet.view(bot)));
  return { bots, count: activeBots(tables, userId).size, max_bots: context.settings.maxBotsPerUser };
}

function statusResult(context: EngineContext, tables: Reading, key: BotKey): JsonObject {
  const bot = tables.bots.get(key);
  if (bot === undefined || bot.desired === 'removed') return { exists: false, bot_id: key.botId };
  return { exists: true, ...botToJson(context.fleet.view(bot)) };
}

/** The result of a reading that needs no worker; undefined for logs, which come later. */
export function answerNow(
  context: EngineContext,
  tables: Reading,
  job: JobRecord,
  what: 'list' | 'status' | 'logs',
): JsonObject | undefined {
  switch (what) {
    case 'list':
      return listResult(context, tables, job.userId);
    case 'status':
      return statusResult(context, tables, job);
    case 'logs':
      return undefined;
  }
}

/** The result of a logs job, from the log's text. */
export function logsResult(context: EngineContext, tables: Reading, job: JobRecord, text: string): JsonObject {
  const bot = tables.bots.get(job);
  return {
    status: 'success',
    logs: text,
    container_status: bot === undefined ? 'stopped' : context.fleet.view(bot).state,
    container_name: bot?.observed.containerName ?? null,
  };
}

/** What a job that asked for a log ends with when reading failed. */
export const readFailure = (error: unknown) =>
  error instanceof ProblemError
    ? error.problem
    : problem('UNAVAILABLE', 'The log could not be read.', { hint: 'Try again in a few seconds.' });
