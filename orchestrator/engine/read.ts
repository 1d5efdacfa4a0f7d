/** Answers the reading actions: list and status from the store, logs from the bot's worker. */
import type { BotKey } from '#common/ids.ts';
import type { JsonObject } from '#common/json.ts';
import { fail, ok, ProblemError, problem, type Result } from '#common/problem.ts';
import type { BotSpec } from '#gen/botrunner/v1/bot_pb.js';
import type { ReadKind } from '../core/blueprints/blueprint.ts';
import { checkSourceBytes } from '../core/quota.ts';
import type { JobRecord } from '../core/records.ts';
import { type LimitSettings, userLimitsOf } from '../core/user-limits.ts';
import type { Reading } from '../store/tables.ts';
import { botToJson } from '../views/bot-json.ts';
import type { BotView } from '../views/bot-view.ts';
import { configToJson } from '../views/config.ts';
import type { EngineContext } from './context.ts';
import { damaged, neverStarted, openSoundSpec } from './specs.ts';

/** Ids of a user's bots that count against the quota: those that may run, and those with an open start. */
export const activeBots = (tables: Reading, userId: string): ReadonlyMap<string, unknown> =>
  tables.bots.activeOf(userId);

/** Names of deleted bots of the user whose data a worker may have, in order. */
export const deletedWithData = (tables: Reading, userId: string): readonly string[] => {
  const bots = new Set(tables.bots.ofUser(userId).map(({ botId }) => botId));
  return [...tables.bots.keptOf(userId).keys()].filter((botId) => !bots.has(botId)).sort();
};

/** Whether the user may have so many more bytes of sources. */
export function roomForSource(
  settings: LimitSettings,
  tables: Reading,
  userId: string,
  addedBytes: number,
): Result<undefined> {
  const { sourceBytes, uploadBytes } = tables.artifacts.heldBy(userId);
  return checkSourceBytes(sourceBytes + uploadBytes, addedBytes, userLimitsOf(settings, userId).sourceBytes);
}

export interface BotList {
  readonly bots: readonly BotView[];
  /** How many of them count against the quota. */
  readonly count: number;
  readonly maxBots: number;
}

/** A user's bots, by whichever protocol they are asked for. */
export const listBots = ({ fleet, settings }: EngineContext, tables: Reading, userId: string): BotList => ({
  bots: tables.bots.ofUser(userId).map((bot) => fleet.view(bot)),
  count: activeBots(tables, userId).size,
  maxBots: userLimitsOf(settings, userId).bots,
});

function listResult(context: EngineContext, tables: Reading, userId: string): JsonObject {
  const { bots, count, maxBots } = listBots(context, tables, userId);
  return { bots: bots.map(botToJson), count, max_bots: maxBots };
}

function statusResult(context: EngineContext, tables: Reading, key: BotKey): JsonObject {
  const bot = tables.bots.get(key);
  if (bot === undefined || bot.desired === 'removed') return { exists: false, bot_id: key.botId };
  return { exists: true, ...botToJson(context.fleet.view(bot)) };
}

/** The spec by which a bot is configured. BOT_NOT_FOUND without one, BOT_DAMAGED for one that cannot be read any more. */
export function specToShow({ sealKey }: EngineContext, tables: Reading, key: BotKey): Result<BotSpec> {
  const bot = tables.bots.get(key);
  if (bot === undefined || bot.desired === 'removed') {
    return fail(problem('BOT_NOT_FOUND', `There is no bot named ${key.botId}.`));
  }
  if (bot.specSealed === null) return fail(neverStarted(key.botId));
  const spec = openSoundSpec(sealKey, bot, bot.specSealed);
  return spec === undefined ? fail(damaged(key.botId, 'its settings cannot be shown')) : ok(spec);
}

/** The result of a reading that needs no worker; undefined for logs, which come later. */
export function answerNow(
  context: EngineContext,
  tables: Reading,
  job: JobRecord,
  what: ReadKind,
): Result<JsonObject> | undefined {
  switch (what) {
    case 'list':
      return ok(listResult(context, tables, job.userId));
    case 'status':
      return ok(statusResult(context, tables, job));
    case 'config': {
      const spec = specToShow(context, tables, job);
      return spec.ok ? ok(configToJson(job.botId, spec.value)) : spec;
    }
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
