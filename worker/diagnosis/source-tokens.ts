/**
 * Telegram tokens and other secrets in a bot's source, before it is built: its user is notified of them, and where the worker has fetched the source
 * itself the orchestrator is asked whether the bot may run with them. Uploaded sources it has judged itself.
 */
import { createHash } from 'node:crypto';
import { addAbortSignal, type Readable } from 'node:stream';
import { type Clock, sleep } from '#common/clock.ts';
import type { BotKey } from '#common/ids.ts';
import { defaultTarLimits, readContextTar } from '#common/safe-tar.ts';
import { warningsOf } from '#common/source-search/findings.ts';
import { createSourceSearch, type SourceSecrets } from '#common/source-search/search.ts';
import { telegramTokensOf } from '#common/telegram-token.ts';
import { TransientError } from '#common/waiting/transient.ts';
import { createOwnModules } from './own-modules.ts';

export interface TokenClaim {
  readonly key: BotKey;
  readonly epoch: bigint;
  readonly revision: bigint;
  /** sha256 of each token, as hex. */
  readonly tokenSha256s: readonly string[];
}

export interface TokenClaims {
  /**
   * `granted`: the bot may run with the tokens, they are its own from now on. `pending`: it may once the bot is gone that it takes
   * over from, which is stopped when this is asked with `built`. ProblemError TOKEN_IN_USE; TransientError while the
   * orchestrator cannot be asked.
   */
  claim(claim: TokenClaim, built: boolean, signal: AbortSignal): Promise<'granted' | 'pending'>;
}

export interface JudgedSource extends Omit<TokenClaim, 'tokenSha256s'> {
  /** Its tar or gzipped tar. */
  open(): Readable;
  /** Whether the worker has fetched it itself. */
  readonly isFetched: boolean;
  readonly env: Readonly<Record<string, string>>;
}

export interface TokenFindings {
  /** What the user should know. */
  readonly warnings: readonly string[];
  /** As OwnModules.names. */
  readonly ownModules: readonly string[];
  /** To be claimed again once the bot is built. */
  readonly pending: TokenClaim | undefined;
}

/** Throws what `claim` throws; a source that cannot be read is the build's to refuse. */
export async function judgeSource(
  source: JudgedSource,
  claims: TokenClaims,
  signal: AbortSignal,
): Promise<TokenFindings> {
  const { secrets, ownModules } = await readSource(source.open(), signal);
  const warnings = warningsOf(secrets.findings(), !source.isFetched);
  if (!source.isFetched || telegramTokensOf(source.env).length > 0) return { warnings, ownModules, pending: undefined };
  const { key, epoch, revision } = source;
  const tokenSha256s = [...secrets.used].map((token) => createHash('sha256').update(token).digest('hex'));
  const claim: TokenClaim = { key, epoch, revision, tokenSha256s };
  return {
    warnings,
    ownModules,
    pending: (await claims.claim(claim, false, signal)) === 'granted' ? undefined : claim,
  };
}

const askAgainMs = 500;

/**
 * Resolves when the tokens are the bot's: the one that it takes over from is gone. An orchestrator that cannot be asked now is
 * asked again: nothing has to be built again for it.
 */
export async function awaitTokens(
  claim: TokenClaim,
  claims: TokenClaims,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  const ask = () =>
    claims.claim(claim, true, signal).catch((error: unknown) => {
      if (error instanceof TransientError) return 'pending' as const;
      throw error;
    });
  while ((await ask()) !== 'granted') await sleep(clock, askAgainMs, signal);
}

async function readSource(
  tar: Readable,
  signal: AbortSignal,
): Promise<{ readonly secrets: SourceSecrets; readonly ownModules: readonly string[] }> {
  const search = createSourceSearch();
  const modules = createOwnModules();
  try {
    for await (const entry of readContextTar(addAbortSignal(signal, tar), defaultTarLimits, () => {})) {
      if (entry.kind !== 'file') continue;
      modules.add(entry.name);
      await search.read(entry);
    }
  } catch {
    signal.throwIfAborted();
    // The build reads it again, and says what is wrong with it.
  }
  return { secrets: search.found, ownModules: modules.names() };
}
