/** NATS_URL, taken apart: the servers without the login, and the login as a secret. Pure. */
import { Secret } from '#common/secret.ts';

export interface NatsTarget {
  /** HOST:PORT each; safe to be shown. */
  readonly servers: readonly string[];
  readonly tls: boolean;
  readonly login: Secret<NatsLogin> | undefined;
}

export type NatsLogin = { readonly user: string; readonly pass: string } | { readonly token: string };

/** Undefined when it is wrong. Several servers are one cluster, and take one login. */
export function parseNatsUrl(text: string): NatsTarget | undefined {
  const urls = text.split(',').map((part) => part.trim());
  const servers: string[] = [];
  const logins = new Set<string>();
  let tls = false;
  for (const part of urls) {
    const url = URL.canParse(part) ? new URL(part) : undefined;
    if (url === undefined || (url.protocol !== 'nats:' && url.protocol !== 'tls:') || url.hostname === '')
      return undefined;
    if ((url.pathname !== '' && url.pathname !== '/') || url.search !== '' || url.hash !== '') return undefined;
    tls ||= url.protocol === 'tls:';
    servers.push(`${url.hostname}:${url.port || '4222'}`);
    const login = loginOf(url);
    if (login === null) return undefined;
    if (login !== undefined) logins.add(JSON.stringify(login));
  }
  if (logins.size > 1) return undefined;
  const [login] = logins;
  // It was written from a NatsLogin above.
  return { servers, tls, login: login === undefined ? undefined : new Secret(JSON.parse(login) as NatsLogin) };
}

/** Undefined without a login, null for one that cannot be parsed. */
function loginOf({ username, password }: URL): NatsLogin | undefined | null {
  if (username === '' && password === '') return undefined;
  try {
    const user = decodeURIComponent(username);
    return password === '' ? { token: user } : { user, pass: decodeURIComponent(password) };
  } catch {
    return null; // a percent sign that begins nothing
  }
}
