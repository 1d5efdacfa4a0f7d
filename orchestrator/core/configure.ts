/** What a configure does to its bot: what it changes, and whether that needs a worker. Pure. */
import { equals } from '@bufbuild/protobuf';
import { type Problem, problem } from '#common/problem.ts';
import { examples } from '#common/request-examples.ts';
import { telegramTokensOf } from '#common/telegram-token.ts';
import { type BotSpec, BotSpecSchema } from '#gen/botrunner/v1/bot_pb.js';
import { mayRun } from './quota.ts';
import type { BotRecord } from './records.ts';
import type { SpecChange } from './validate/bot-request.ts';

/**
 * `swap`: the bot runs, and a new container takes the place of its present one. `store`: it does not run, and gets what is stored when it is
 * next started. `unchanged`: it has all that already.
 */
export type ConfigurePlan = 'swap' | 'store' | 'unchanged';

export const planConfigure = (
  bot: Pick<BotRecord, 'desired' | 'state'>,
  before: BotSpec,
  wanted: BotSpec,
): ConfigurePlan => (isSameSpec(before, wanted) ? 'unchanged' : mayRun(bot) ? 'swap' : 'store');

/** Whether two specs make the same bot, whoever has set what when. */
export const isSameSpec = (a: BotSpec, b: BotSpec): boolean => equals(BotSpecSchema, plain(a), plain(b));

const plain = (spec: BotSpec): BotSpec => ({ ...spec, envOrigins: {}, sourceRevision: 0n });

/**
 * The revision whose image a spec with the same source runs; 0: it has to be made anew. Tokens in a source that a worker fetched were not looked
 * at while the environment had one: where it has none any more, the source is fetched and looked at again.
 */
export function keptImage(bot: Pick<BotRecord, 'revision'>, before: BotSpec, wanted: BotSpec): bigint {
  const isFetched = before.source.case === 'custom' && before.source.value.from.case !== 'artifactSha256';
  const hadToken = telegramTokensOf(before.env).length > 0;
  if (isFetched && hadToken && telegramTokensOf(wanted.env).length === 0) return 0n;
  return before.sourceRevision || BigInt(bot.revision);
}

const namesShown = 8;

/** Refuses to take away what the bot does not have; undefined when it has all that. */
export function refuseUnknown(botId: string, before: BotSpec, { reset }: SpecChange): Problem | undefined {
  return (
    missing(reset.env, before.env, (names, known) =>
      problem('INVALID_ENV_VARS', `The bot ${botId} has no variable ${names}.`, {
        details: { field: 'env_vars', names: reset.env.filter((name) => !Object.hasOwn(before.env, name)) },
        hint: known === '' ? 'It has none.' : `It has ${known}.`,
        example: examples.config,
      }),
    ) ??
    missing(reset.on, before.on, (keys, known) =>
      problem('INVALID_LABELS', `The bot ${botId} asks for no label ${keys}.`, {
        details: { field: 'on' },
        hint: known === '' ? 'It asks for none.' : `It asks for ${known}.`,
        example: examples.config,
      }),
    )
  );
}

function missing(
  taken: readonly string[],
  present: Readonly<Record<string, string>>,
  refusal: (names: string, known: string) => Problem,
): Problem | undefined {
  const unknown = taken.filter((name) => !Object.hasOwn(present, name));
  return unknown.length === 0 ? undefined : refusal(listed(unknown), listed(Object.keys(present).sort()));
}

const listed = (names: readonly string[]): string =>
  names.length > namesShown
    ? `${names.slice(0, namesShown).join(', ')} and ${names.length - namesShown} more`
    : names.join(', ');
