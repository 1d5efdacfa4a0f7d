/** Requests to change what a bot has without its source: what makes one empty, and what does not belong into one. Pure. */
import { fail, ok, type Problem, problem, type Result } from '#common/problem.ts';
import type { ConfigureBotRequest } from '#gen/botrunner/v1/bot_service_pb.js';
import type { BotRequest, Bounds, Settings, SpecChange } from './bot-request.ts';
import { examples } from './examples.ts';
import { parseSettings, readChange } from './spec-request.ts';

/** Whether the request names no change at all. */
export const changesNothing = ({ env, limits, on, readOnly }: Settings, { replaceEnv, reset }: SpecChange): boolean =>
  !replaceEnv &&
  readOnly === undefined &&
  env.size === 0 &&
  Object.keys(limits).length === 0 &&
  Object.keys(on).length === 0 &&
  !Object.values(reset).some((part) => (typeof part === 'boolean' ? part : part.length > 0));

export const nothingNamed = (): Problem =>
  problem('MISSING_REQUIRED_FIELD', 'The request names nothing to change.', {
    details: { field: 'env_vars' },
    hint: 'Name a variable, a limit, a label or read_only.',
    example: examples.configure,
  });

/** `field`: what is about the source. */
export const sourceInConfigure = (field: string): Problem =>
  problem('CONFLICTING_FIELDS', `"${field}" does not work with "configure", which keeps the source.`, {
    details: { field, fields: ['action', field] },
    hint: 'Use the action "update" for new code.',
    example: examples.configure,
  });

/** As a client of gRPC sends it; `botId` is checked already. */
export function readConfigure(botId: string, message: ConfigureBotRequest, bounds: Bounds): Result<BotRequest> {
  const { reset, takeover } = message;
  const ofSource = (['requirements', 'target', 'dockerfile'] as const).find((name) => reset?.[name] === true);
  const field = ofSource ?? ((reset?.buildArgs.length ?? 0) > 0 ? 'build_args' : undefined);
  if (field !== undefined) return fail(sourceInConfigure(`reset.${field}`));
  const settings = parseSettings(message, bounds);
  if (!settings.ok) return settings;
  const change = readChange(message);
  if (!change.ok) return change;
  if (changesNothing(settings.value, change.value)) return fail(nothingNamed());
  return ok({ action: 'configure', botId, settings: settings.value, takeover, change: change.value });
}
