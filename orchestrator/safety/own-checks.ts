/** The safety checks of the orchestrator's own settings. Pure but for the certificate, which it is given. */
import { X509Certificate } from 'node:crypto';
import type { Check } from '#common/checks/check.ts';
import type { Checking } from '#common/checks/run-checks.ts';
import { isDevelopmentToken, ownTokenMinChars } from '#common/development-tokens.ts';
import type { Secret } from '#common/secret.ts';

export type OwnCheckName = 'tokens' | 'tls';

export const ownCheckNames: readonly OwnCheckName[] = ['tokens', 'tls'];

export interface CheckedSettings {
  /** Those of the settings, by the name of the setting. */
  readonly tokens: Readonly<Record<string, Secret | undefined>>;
  /** The certificate of the port as PEM, read now; undefined for a port without TLS. */
  readonly readCertificate: (() => Promise<Buffer>) | undefined;
  readonly hasTrustedProxies: boolean;
  /** Ms since 1970. */
  readonly now: () => number;
}

type Outcome = Omit<Check, 'name'>;

export const ownCheckings = (settings: CheckedSettings): readonly Checking<OwnCheckName>[] => [
  { name: 'tokens', check: () => checkTokens(settings) },
  { name: 'tls', check: () => checkTls(settings) },
];

function checkTokens({ tokens }: CheckedSettings): Outcome {
  const set = Object.entries(tokens).flatMap(([name, token]) =>
    token === undefined ? [] : [[name, token.reveal()] as const],
  );
  const hint = 'sh scripts/make-tokens.sh generates tokens; restart the orchestrator with them.';
  const known = set.find(([, token]) => isDevelopmentToken(token));
  if (known) return { ok: false, message: `${known[0]} is a development token, which everybody knows.`, hint };
  const short = set.find(([, token]) => token.length < ownTokenMinChars);
  if (short) {
    return {
      ok: false,
      message: `${short[0]} has fewer than ${ownTokenMinChars} characters: it can be guessed.`,
      hint,
    };
  }
  return { ok: true, message: 'All tokens of the settings are your own.' };
}

async function checkTls({ readCertificate, hasTrustedProxies, now }: CheckedSettings): Promise<Outcome> {
  if (readCertificate === undefined) {
    return hasTrustedProxies
      ? {
          ok: true,
          message: 'TRUSTED_PROXIES is set: the proxies in it have to do TLS, which cannot be seen from here.',
        }
      : {
          ok: false,
          message: 'Tokens would come in cleartext: there is neither TLS nor a trusted proxy that does it.',
          hint: 'Set TLS_CERT and TLS_KEY, or put a proxy with TLS in front and set TRUSTED_PROXIES to its address.',
        };
  }
  const { validTo } = new X509Certificate(await readCertificate());
  if (Date.parse(validTo) > now())
    return { ok: true, message: `TLS is on; the certificate is valid until ${validTo}.` };
  return {
    ok: false,
    message: `The certificate expired at ${validTo}.`,
    hint: 'Renew it: the files of TLS_CERT and TLS_KEY are read again within seconds.',
  };
}
