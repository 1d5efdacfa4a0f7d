/**
 * A Telegram token belongs to one running bot at a time, across users and workers: Telegram answers 409 to a second one
 * that polls. A bot has its tokens from the moment its start begins until its container is gone.
 */
import { createHmac } from 'node:crypto';
import type { BotKey } from '#common/ids.ts';
import { type Problem, problem } from '#common/problem.ts';
import type { Secret } from '#common/secret.ts';
import { telegramTokensOf } from '#common/telegram-token.ts';
import type { BotSpec } from '#gen/botrunner/v1/bot_pb.js';
import type { BotRecord } from '../core/records.ts';
import type { Tables } from '../store/store.ts';
import type { EngineContext } from './context.ts';
import { openSoundSpec } from './specs.ts';

/** A keyed hash: without the key nobody can try tokens against the store. */
const tokenKeys = (sealKey: Secret<Uint8Array>, spec: BotSpec): readonly string[] =>
  telegramTokensOf(spec.env).map((token) =>
    createHmac('sha256', sealKey.reveal()).update(`telegram token ${token}`).digest('hex'),
  );

const isSame = (a: BotKey, b: BotKey): boolean => a.userId === b.userId && a.botId === b.botId;

/** The other bots that have a token of the spec. */
export function tokenHolders(context: EngineContext, tx: Tables, bot: BotKey, spec: BotSpec): readonly BotKey[] {
  const holders: BotKey[] = [];
  for (const key of tokenKeys(context.sealKey, spec)) {
    const owner = tx.telegramTokens.owner(key);
    if (owner !== undefined && !isSame(owner, bot) && !holders.some((holder) => isSame(holder, owner))) {
      holders.push(owner);
    }
  }
  return holders;
}

/** What a start that meets another holder is refused with. Another user's bot is not named. */
export function tokenInUse(userId: string, holders: readonly BotKey[]): Problem {
  const own = holders.find((holder) => holder.userId === userId);
  return problem(
    'TOKEN_IN_USE',
    own === undefined
      ? 'A bot of another user runs with this Telegram token.'
      : `Your bot ${own.botId} runs with this Telegram token.`,
    {
      details: own === undefined ? {} : { bot_id: own.botId },
      hint:
        own === undefined
          ? 'Move the token with "takeover": true, or revoke it with @BotFather and use the new one.'
          : `Stop ${own.botId} first, or move the token with "takeover": true.`,
    },
  );
}

/** Makes the bot the owner of its spec's tokens, beside those it has. The caller has checked that nobody else is. */
export function acquireTokens(context: EngineContext, tx: Tables, bot: BotKey, spec: BotSpec): void {
  for (const key of tokenKeys(context.sealKey, spec))
    if (tx.telegramTokens.owner(key) === undefined) tx.telegramTokens.put(key, bot);
}

/** Lets go of tokens that the bot, as it is now, does not run with. */
export function releaseTokens(context: EngineContext, tx: Tables, bot: BotRecord): void {
  const spec = bot.desired === 'running' ? openSoundSpec(context.sealKey, bot, bot.specSealed) : undefined;
  // Which tokens it runs with cannot be told: it keeps those that it has.
  if (spec === undefined && bot.desired === 'running' && bot.specSealed !== null) return;
  const kept = spec === undefined ? [] : tokenKeys(context.sealKey, spec);
  for (const key of tx.telegramTokens.ofBot(bot)) if (!kept.includes(key)) tx.telegramTokens.remove(key);
}
