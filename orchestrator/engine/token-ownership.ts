/**
 * A Telegram token belongs to one running bot at a time, across users and workers: Telegram answers 409 to a second one
 * that polls. A bot has its tokens from the moment its start begins until its container is gone, or has ended for good: then
 * the next bot that wants them gets them.
 */
import { createHash, createHmac } from 'node:crypto';
import { toBinary } from '@bufbuild/protobuf';
import { type BotKey, botKeyText } from '#common/ids.ts';
import { type Problem, problem } from '#common/problem.ts';
import { keyObjectOf } from '#common/seal.ts';
import type { Secret } from '#common/secret.ts';
import { telegramTokensOf } from '#common/telegram-token.ts';
import { type BotSpec, CustomSourceSchema } from '#gen/botrunner/v1/bot_pb.js';
import { mayRun } from '../core/quota.ts';
import type { BotRecord } from '../core/records.ts';
import type { Reading, Tables } from '../store/tables.ts';
import type { EngineContext } from './context.ts';
import { openSoundSpec } from './specs.ts';

/** The form of the keys. Earlier ones were made from the token itself, which a worker does not report. */
const keyForm = 'h:';

/** A keyed hash of a token's sha256: without the key nobody can try tokens against the store. */
const tokenKeyOf = (sealKey: Secret<Uint8Array>, tokenSha256: string): string =>
  keyForm + createHmac('sha256', keyObjectOf(sealKey)).update(`telegram token ${tokenSha256}`).digest('hex');

export const tokenSha256 = (token: string): string => createHash('sha256').update(token).digest('hex');

const envKeys = (sealKey: Secret<Uint8Array>, spec: BotSpec): readonly string[] =>
  telegramTokensOf(spec.env).map((token) => tokenKeyOf(sealKey, tokenSha256(token)));

/** The tokens in its environment; a bot that gets none from there uses the one in its source. */
function tokenKeys(context: EngineContext, tx: Reading, bot: BotKey, spec: BotSpec): readonly string[] {
  const keys = envKeys(context.sealKey, spec);
  const source = keys.length > 0 ? undefined : sourceIdOf(context.sealKey, bot, spec);
  if (source === undefined) return keys;
  return tx.sourceTokens.of(source, source.startsWith(artifactPrefix) ? 0 : (tx.bots.get(bot)?.revision ?? 0)) ?? [];
}

const artifactPrefix = 'artifact ';

/** What the tokens in an uploaded source are kept under. */
const artifactSourceId = (sha256: string): string => `${artifactPrefix}${sha256}`;

/** What the tokens in the source of a spec are kept under; undefined for a ready image, which is not searched. */
function sourceIdOf(sealKey: Secret<Uint8Array>, bot: BotKey, { source }: BotSpec): string | undefined {
  if (source.case === 'simple') return artifactSourceId(source.value.artifactSha256);
  if (source.case !== 'custom') return undefined;
  if (source.value.from.case === 'artifactSha256') return artifactSourceId(source.value.from.value);
  const bytes = toBinary(CustomSourceSchema, source.value);
  return `fetched ${createHmac('sha256', keyObjectOf(sealKey))
    .update(`${botKeyText(bot)} `)
    .update(bytes)
    .digest('hex')}`;
}

/** Keeps which Telegram tokens are in an artifact, as keyed hashes. */
export function putArtifactTokens(
  sealKey: Secret<Uint8Array>,
  tx: Tables,
  sha256: string,
  tokenSha256s: readonly string[],
): void {
  const keys = tokenSha256s.map((tokenSha256) => tokenKeyOf(sealKey, tokenSha256));
  tx.sourceTokens.put(artifactSourceId(sha256), 0, undefined, keys);
}

/** What a worker found in a source that it fetched; false where that does not count: the environment has a token. */
export function noteSourceTokens(
  context: EngineContext,
  tx: Tables,
  bot: BotRecord,
  spec: BotSpec,
  tokenSha256s: readonly string[],
): boolean {
  const source = sourceIdOf(context.sealKey, bot, spec);
  const hasOwn = envKeys(context.sealKey, spec).length > 0;
  if (source === undefined || source.startsWith(artifactPrefix) || hasOwn) return false;
  const keys = tokenSha256s.slice(0, sourceTokensMax).map((sha256) => tokenKeyOf(context.sealKey, sha256));
  tx.sourceTokens.put(source, bot.revision, bot, keys);
  return true;
}

const sourceTokensMax = 16;

/** Brings the keys of an older release into the form of this one, from the specs of the bots that have them. */
export function renewTokenKeys(context: EngineContext, tx: Tables): void {
  for (const key of tx.telegramTokens.withOtherKeys(keyForm)) {
    const bot = tx.bots.get(key);
    const sealed = [bot?.specSealed, bot?.undo?.specSealed].flatMap((each) => each ?? []);
    for (const each of sealed) {
      const spec = openSoundSpec(context.sealKey, key, each);
      if (spec !== undefined) acquireTokens(context, tx, key, spec);
    }
    for (const old of tx.telegramTokens.ofBot(key)) if (!old.startsWith(keyForm)) tx.telegramTokens.remove(old);
  }
}

const isSame = (a: BotKey, b: BotKey): boolean => a.userId === b.userId && a.botId === b.botId;

/** The bot that has a token. One that has ended, and that nobody is starting again, keeps it only until another wants it. */
function ownerOf(tx: Reading, key: string): BotKey | undefined {
  const owner = tx.telegramTokens.owner(key);
  const bot = owner && tx.bots.get(owner);
  const hasEnded = bot?.state === 'exited' && !mayRun(bot) && tx.jobs.openOfBot(bot).length === 0;
  return hasEnded ? undefined : owner;
}

/** The other bots that have a token of the spec. */
export function tokenHolders(context: EngineContext, tx: Reading, bot: BotKey, spec: BotSpec): readonly BotKey[] {
  const holders: BotKey[] = [];
  for (const key of tokenKeys(context, tx, bot, spec)) {
    const owner = ownerOf(tx, key);
    if (owner !== undefined && !isSame(owner, bot) && !holders.some((holder) => isSame(holder, owner))) {
      holders.push(owner);
    }
  }
  return holders;
}

/** The refusal of a start that runs into another holder; it names the worker of one that its user cannot stop now. */
export function refusedToken(context: EngineContext, tx: Reading, userId: string, holders: readonly BotKey[]): Problem {
  const silent = silentHolder(context, tx, holders);
  if (silent !== undefined) return heldByWorker(userId, silent, `its worker ${silent.workerId} is silent`);
  const leaving = leavingHolder(tx, holders);
  return leaving === undefined ? tokenInUse(userId, holders) : heldByWorker(userId, leaving, leaving.why);
}

/** Another user's bot is not named. */
export function tokenInUse(userId: string, holders: readonly BotKey[]): Problem {
  const own = holders.find((holder) => holder.userId === userId);
  return problem(
    'TOKEN_IN_USE',
    own === undefined
      ? "Another user's bot is running with this Telegram token."
      : `Your bot ${own.botId} is running with this Telegram token.`,
    {
      details: own === undefined ? {} : { bot_id: own.botId },
      hint:
        own === undefined
          ? 'Move the token with "takeover": true, or revoke it with @BotFather and use the new one.'
          : `Stop ${own.botId} first, or move the token with "takeover": true.`,
    },
  );
}

interface HolderOnWorker extends BotKey {
  readonly workerId: string;
}

/** The holder that nobody can stop now: its worker is silent. */
export function silentHolder(
  { fleet }: EngineContext,
  tx: Reading,
  holders: readonly BotKey[],
): HolderOnWorker | undefined {
  for (const { userId, botId } of holders) {
    const workerId = tx.bots.get({ userId, botId })?.workerId;
    if (workerId !== undefined && workerId !== null && fleet.isSilent(workerId)) return { userId, botId, workerId };
  }
  return undefined;
}

/**
 * The holder that was stopped or deleted, which its worker has yet to carry out. Also after a restart of the orchestrator,
 * when that worker has not been silent for long.
 */
function leavingHolder(
  tx: Reading,
  holders: readonly BotKey[],
): (HolderOnWorker & { readonly why: string }) | undefined {
  for (const { userId, botId } of holders) {
    const bot = tx.bots.get({ userId, botId });
    if (bot === undefined || bot.workerId === null || bot.pendingTask === null || bot.desired === 'running') continue;
    const what = bot.desired === 'removed' ? 'removal' : 'stop';
    return {
      userId,
      botId,
      workerId: bot.workerId,
      why: `its worker ${bot.workerId} has not yet carried out its ${what}`,
    };
  }
  return undefined;
}

function heldByWorker(userId: string, { userId: owner, botId, workerId }: HolderOnWorker, why: string): Problem {
  const isOwn = owner === userId;
  return problem(
    'TOKEN_IN_USE',
    `${isOwn ? `Your bot ${botId}` : "Another user's bot"} may still be running with this Telegram token: ${why}.`,
    {
      details: { ...(isOwn ? { bot_id: botId } : {}), worker_id: workerId },
      hint: `Bring ${workerId} back; if its host is gone for good, an operator can free the token with: avtomatika-bot worker forget ${workerId}`,
      example: `avtomatika-bot worker forget ${workerId}`,
    },
  );
}

/** Makes the bot the owner of its spec's tokens, in addition to those it has. The caller has checked that nobody else is. */
export function acquireTokens(context: EngineContext, tx: Tables, bot: BotKey, spec: BotSpec): void {
  for (const key of tokenKeys(context, tx, bot, spec)) {
    if (ownerOf(tx, key) !== undefined) continue;
    // It was held by a bot that has ended.
    tx.telegramTokens.remove(key);
    tx.telegramTokens.put(key, bot);
  }
}

/** Releases tokens that the bot, as it is now, does not run with. */
export function releaseTokens(context: EngineContext, tx: Tables, bot: BotRecord): void {
  const spec = openSoundSpec(context.sealKey, bot, bot.specSealed);
  // Which tokens it runs with cannot be determined: it keeps those that it has.
  if (spec === undefined && bot.desired === 'running' && bot.specSealed !== null) return;
  const source = spec && sourceIdOf(context.sealKey, bot, spec);
  if (source !== undefined) tx.sourceTokens.settle(source, bot.revision, bot);
  const kept = bot.desired === 'running' && spec !== undefined ? tokenKeys(context, tx, bot, spec) : [];
  for (const key of tx.telegramTokens.ofBot(bot)) if (!kept.includes(key)) tx.telegramTokens.remove(key);
}
