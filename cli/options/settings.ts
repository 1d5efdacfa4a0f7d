/** Where the orchestrator is and who is asking, from options and environment. */
import { hasZone, isLoopbackHost } from '#common/loopback.ts';
import { parseUrl } from '#common/parse-url.ts';
import { Secret } from '#common/secret.ts';
import { trimEnd } from '#common/trim-end.ts';
import { type CliError, complain } from '../failures/errors.ts';
import { exitCodes } from '../failures/exit-codes.ts';

export const defaultUrl = 'http://localhost:8000';

export interface ConnectionSettings {
  /** Without a slash at the end. */
  readonly url: string;
  readonly token: Secret;
}

export interface Given {
  readonly url: string | undefined;
  readonly token: string | undefined;
}

/** Options win over the environment. Throws CliError with the cure; never shows the token. */
export function readSettings(given: Given, env: Readonly<Record<string, string | undefined>>): ConnectionSettings {
  const url = parseAddress(given.url ?? (env['AVTOMATIKA_URL'] || defaultUrl));
  const token = given.token ?? env['AVTOMATIKA_TOKEN'] ?? '';
  if (token === '') {
    throw complain(
      exitCodes.unauthorised,
      'UNAUTHENTICATED',
      'No token is set.',
      'Set AVTOMATIKA_TOKEN to your token, or give --token.',
    );
  }
  // What a header can carry, less the space (RFC 9110 field-vchar). Most likely a line end or quotes were pasted with it.
  if (!/^[\x21-\x7e]+$/.test(token)) {
    throw complain(
      exitCodes.unauthorised,
      'UNAUTHENTICATED',
      'The token contains a character that no token has, such as a space or a line break.',
      'Check AVTOMATIKA_TOKEN or --token.',
    );
  }
  return { url, token: new Secret(token) };
}

/** The cure is always the same; a URL with credentials is not shown. */
function parseAddress(text: string): string {
  const wrong = (fault: string): CliError =>
    complain(exitCodes.usage, 'INVALID_URL', fault, `Set AVTOMATIKA_URL or --url to something like ${defaultUrl}.`);
  if (hasZone(text)) throw wrong('A URL cannot contain an IPv6 address with a zone (the part after "%").');
  const url = parseUrl(text);
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw wrong("The orchestrator's address is not an http:// or https:// URL.");
  }
  if (url.username !== '' || url.password !== '')
    throw wrong("The orchestrator's address must not contain a password.");
  if (url.search !== '' || url.hash !== '')
    throw wrong("The orchestrator's address must not have a query or fragment.");
  return `${url.origin}${trimEnd(url.pathname, '/')}`;
}

/** What to say before the token leaves this machine unencrypted; undefined when it does not. */
export function cleartextWarning(url: string): string | undefined {
  const { protocol, hostname } = new URL(url);
  if (protocol === 'https:' || isLoopbackHost(hostname)) return undefined;
  return `Warning: the token goes to ${hostname} unencrypted. Use an https:// address.`;
}
