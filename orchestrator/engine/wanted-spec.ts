/**
 * The spec that a job makes its bot run. What an update does not name is taken from what the bot has at that time: at the
 * job's turn, so that updates that were waiting one after the other add up.
 */
import { fail, ok, type Result } from '#common/problem.ts';
import type { BotSpec } from '#gen/botrunner/v1/bot_pb.js';
import { isDeployment, type JobAction } from '../core/actions.ts';
import { refuseUnknown } from '../core/configure.ts';
import type { JobInput } from '../core/job-params.ts';
import { mergeSpec } from '../core/merge-spec.ts';
import type { BotRecord, JobRecord } from '../core/records.ts';
import { noChange, type SpecChange } from '../core/validate/bot-request.ts';
import type { EngineContext } from './context.ts';
import { damaged, neverStarted, openSoundSpec, openSpec } from './specs.ts';

/** A start of a bot that should run already is an update of it. */
const isUpdate = (action: JobAction, { desired }: BotRecord): boolean =>
  action === 'update' || (action === 'start' && desired === 'running');

/** The spec of a start, update or configure of the bot as it is now. */
export function wantedSpec(
  context: EngineContext,
  bot: BotRecord | undefined,
  input: JobInput,
  given: BotSpec,
): Result<BotSpec> {
  if (input.action === 'configure') return configuredSpec(context, bot, input.params.change, given);
  if (bot === undefined || bot.specSealed === null || !isUpdate(input.action, bot)) return ok(given);
  const change = isDeployment(input) ? input.params.change : noChange;
  const before = openSoundSpec(context.sealKey, bot, bot.specSealed);
  if (before !== undefined) return mergeSpec(before, given, change);
  // What it had cannot be determined, so it must not be kept silently.
  if (change.replaceEnv || Object.keys(given.env).length > 0) return ok(given);
  return fail(damaged(bot.botId, 'its environment cannot be kept'));
}

/** What it does not name, its source first of all, cannot be made up. */
function configuredSpec(
  { sealKey }: EngineContext,
  bot: BotRecord | undefined,
  change: SpecChange,
  given: BotSpec,
): Result<BotSpec> {
  if (bot === undefined || bot.specSealed === null) return fail(neverStarted(bot?.botId ?? ''));
  const before = openSoundSpec(sealKey, bot, bot.specSealed);
  if (before === undefined) return fail(damaged(bot.botId, 'its source cannot be kept'));
  const unknown = refuseUnknown(bot.botId, before, change);
  return unknown === undefined ? mergeSpec(before, given, change) : fail(unknown);
}

/** The same for a start, update or configure that was accepted before. */
export function wantedByJob(context: EngineContext, bot: BotRecord, job: JobRecord): Result<BotSpec> {
  if (job.specSealed === null) return fail(damaged(bot.botId, 'the request that waited is lost'));
  return wantedSpec(context, bot, job, openSpec(context.sealKey, bot, job.specSealed));
}
