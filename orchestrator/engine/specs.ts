/** Sealing of bot specs: a spec is only ever in clear in memory and on the session of its own worker. */
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import type { BotKey } from '#common/ids.ts';
import { type Problem, ProblemError, problem } from '#common/problem.ts';
import type { Secret } from '#common/secret.ts';
import { type BotSpec, BotSpecSchema } from '#gen/botrunner/v1/bot_pb.js';
import type { Shape } from '../core/bot/decided.ts';
import { openStored, sealStored, specBinding } from '../store/seal.ts';
import type { EngineSettings } from './context.ts';

export const sealSpec = (key: Secret<Uint8Array>, bot: BotKey, spec: BotSpec): Uint8Array =>
  sealStored(key, toBinary(BotSpecSchema, spec), specBinding(bot));

// One job asks for its bot's spec some ten times: placement, tokens, each event. The bytes of a row are never changed, and
// nobody changes what was opened.
const keptMax = 128;
type Kept = Map<Uint8Array, { readonly boundTo: string; readonly spec: BotSpec }>;
const keptByKey = new WeakMap<Secret<Uint8Array>, Kept>();

/** The specs that were opened last with the key, by their sealed bytes. */
function keptOf(key: Secret<Uint8Array>): Kept {
  const kept = keptByKey.get(key) ?? new Map();
  keptByKey.set(key, kept);
  return kept;
}

/** `so`: what follows from it. */
export const damaged = (botId: string, so = 'it cannot be started from it'): Problem =>
  problem('BOT_DAMAGED', `What the orchestrator has stored about the bot ${botId} can no longer be decrypted: ${so}.`);

/** Throws ProblemError BOT_DAMAGED when the sealed bytes were changed, or another key sealed them. */
export function openSpec(key: Secret<Uint8Array>, bot: BotKey, sealed: Uint8Array): BotSpec {
  const boundTo = specBinding(bot);
  const kept = keptOf(key);
  const known = kept.get(sealed);
  if (known?.boundTo === boundTo) return known.spec;
  try {
    const spec = fromBinary(BotSpecSchema, openStored(key, sealed, boundTo));
    const [oldest] = kept.keys();
    if (kept.size >= keptMax && oldest !== undefined) kept.delete(oldest);
    kept.set(sealed, { boundTo, spec });
    return spec;
  } catch (cause) {
    throw new ProblemError(damaged(bot.botId), { cause });
  }
}

/** As openSpec; undefined without a spec, and for one that cannot be opened: then the bot is left as it is. */
export function openSoundSpec(key: Secret<Uint8Array>, bot: BotKey, sealed: Uint8Array | null): BotSpec | undefined {
  try {
    return sealed === null ? undefined : openSpec(key, bot, sealed);
  } catch (error) {
    if (error instanceof ProblemError) return undefined;
    throw error;
  }
}

/** What is refused for a bot without a spec that needs one. */
export const neverStarted = (botId: string): Problem =>
  problem('BOT_NOT_FOUND', `The bot ${botId} has never been started successfully.`, {
    hint: 'Give it code with the action "start".',
  });

/** Whether the bot has a spec that cannot be opened. */
export const isDamaged = (key: Secret<Uint8Array>, bot: BotKey & { readonly specSealed: Uint8Array | null }): boolean =>
  bot.specSealed !== null && openSoundSpec(key, bot, bot.specSealed) === undefined;

/** What `reason` says of such a bot. */
export const damagedReason =
  'damaged: what the orchestrator has stored about it can no longer be decrypted; what is running is left untouched, ' +
  'but it cannot be restarted: update it with its source and its environment, or delete it';

/** What a spec puts into its bot's row; `mode` is for one that does not say where its image comes from. */
export const shapeOf = (spec: BotSpec, mode: string, settings: EngineSettings): Shape => ({
  mode: spec.source.case ?? mode,
  memoryBytes: Number(spec.limits?.memoryBytes || 0) || settings.defaultMemoryBytes,
  cpuMillis: spec.limits?.cpuMillis || settings.defaultCpuMillis,
});
