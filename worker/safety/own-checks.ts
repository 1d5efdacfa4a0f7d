/** The safety checks of the worker's own settings. Pure. */
import type { Check } from '#common/checks/check.ts';
import { isDevelopmentToken, ownTokenMinChars } from '#common/development-tokens.ts';
import type { Secret } from '#common/secret.ts';

export interface OwnSettings {
  readonly workerToken: Secret;
  readonly orchestrators: readonly { readonly url: string; readonly tls: boolean; readonly loopback: boolean }[];
}

export function ownChecks({ workerToken, orchestrators }: OwnSettings): readonly Check<'tokens' | 'tls'>[] {
  return [checkToken(workerToken.reveal()), checkTls(orchestrators)];
}

function checkToken(token: string): Check<'tokens'> {
  const hint = "Set WORKER_TOKEN to the orchestrator's join token; sh scripts/make-tokens.sh generates tokens.";
  if (isDevelopmentToken(token)) {
    const message = 'WORKER_TOKEN is the development token, or not set: everybody knows that one.';
    return { name: 'tokens', ok: false, message, hint };
  }
  if (token.length < ownTokenMinChars) {
    const message = `WORKER_TOKEN has fewer than ${ownTokenMinChars} characters: it can be guessed.`;
    return { name: 'tokens', ok: false, message, hint };
  }
  return { name: 'tokens', ok: true, message: 'WORKER_TOKEN is a token of your own.' };
}

function checkTls(orchestrators: OwnSettings['orchestrators']): Check<'tls'> {
  const open = orchestrators.find(({ tls, loopback }) => !tls && !loopback);
  if (open === undefined) {
    return {
      name: 'tls',
      ok: true,
      message: 'The way to the orchestrator is encrypted, or does not leave this machine.',
    };
  }
  return {
    name: 'tls',
    ok: false,
    message: `The way to ${open.url} is cleartext: whoever is on it can read tokens and the environments of bots.`,
    hint: 'Set ORCHESTRATOR_URL to its https address.',
  };
}
