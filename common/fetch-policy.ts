/**
 * Where sources of bots may come from: public addresses, and what the operator lists in FETCH_ALLOW. Pure: names are resolved
 * by a resolver that is handed in. A name is judged three times: as it is written (checkUrl), by every address it resolves to,
 * right before connecting to one of exactly these (guardedLookup), and again at each redirect (checkRedirect).
 * Every refusal of a place says the same, so that nobody learns from it what is there.
 */
import { isIP } from 'node:net';
import { isForbiddenAddress } from './forbidden-address.ts';
import { parseUrl } from './parse-url.ts';
import { readUrl, urlSentences } from './plain-url.ts';
import { fail, ok, problem, type Result } from './problem.ts';
import { trimEnd } from './trim-end.ts';

/** host:port pairs exempt from the block, as parseFetchAllow gives them. */
export type FetchAllow = readonly string[];

const allowPattern = /^(?:\[[0-9a-f:.]+\]|[a-z0-9._-]+):(\d{1,5})$/;

/** The value of FETCH_ALLOW, a comma list of host:port; undefined when an entry is something else. */
export function parseFetchAllow(text: string): FetchAllow | undefined {
  const entries = text
    .split(',')
    .map((entry) => entry.trim().toLowerCase())
    .filter((entry) => entry !== '');
  const isPlace = (entry: string) => {
    const port = Number(allowPattern.exec(entry)?.[1] ?? 0);
    return port >= 1 && port <= 65_535;
  };
  return entries.every(isPlace) ? entries : undefined;
}

const defaultPorts: Readonly<Record<string, string>> = { 'http:': '80', 'https:': '443' };

/** Whether the operator lists the place that the URL leads to; a name is listed as it is written, not as it resolves. */
export const isListed = (url: URL, allow: FetchAllow): boolean =>
  allow.includes(`${url.hostname}:${url.port || (defaultPorts[url.protocol] ?? '')}`);

// Names that mean a machine of the own network wherever they are resolved (RFC 6761, 6762, 8375; .internal is kept for it).
const localSuffixes = ['.localhost', '.local', '.internal', '.home.arpa'];

/** Whether a host, as URL.hostname gives it, is an address or a name that no source may come from. Resolves nothing. */
export function isForbiddenHost(hostname: string): boolean {
  const bare = bareHost(hostname);
  if (isIP(bare) !== 0) return isForbiddenAddress(bare);
  // A name without a dot is looked up in the own network: a container, a neighbour, localhost.
  return !bare.includes('.') || localSuffixes.some((suffix) => bare.endsWith(suffix));
}

const bareHost = (hostname: string): string => {
  const host = hostname.toLowerCase();
  return host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : trimEnd(host, '.');
};

const forbidden = (field: string) =>
  fail(
    problem('FORBIDDEN_URL', 'Sources may not be fetched from the address that the URL leads to.', {
      details: { field },
    }),
  );

/** The URL itself, or FORBIDDEN_URL when its host, as it is written, is one that no source may come from. */
export const checkHost = (url: URL, allow: FetchAllow, field: string): Result<URL> =>
  isListed(url, allow) || !isForbiddenHost(url.hostname) ? ok(url) : forbidden(field);

/** An http or https URL of a source: INVALID_ARCHIVE_URL when it is not plain, FORBIDDEN_URL as checkHost says. */
export function checkUrl(text: unknown, allow: FetchAllow, field = 'archive_url'): Result<URL> {
  const reading = readUrl(text, ['http', 'https']);
  if (reading.ok) return checkHost(reading.url, allow, field);
  return fail(
    problem('INVALID_ARCHIVE_URL', `The URL ${urlSentences[reading.rule]}.`, {
      details: { field, rule: reading.rule },
    }),
  );
}

/** Where a redirect leads. FETCH_FAILED unless it is a plain http(s) URL, and for https to http; FORBIDDEN_URL as checkHost. */
export function checkRedirect(from: URL, location: unknown, allow: FetchAllow, field = 'archive_url'): Result<URL> {
  const target = typeof location === 'string' && location.length <= 2048 ? parseUrl(location, from.href) : null;
  const reading = readUrl(target?.href, from.protocol === 'https:' ? ['https'] : ['http', 'https']);
  if (reading.ok) return checkHost(reading.url, allow, field);
  return fail(
    problem('FETCH_FAILED', 'The server redirects to a URL that is not allowed.', {
      details: { field, rule: reading.rule },
      hint: 'Give the address of the archive itself.',
    }),
  );
}

export interface ResolvedAddress {
  readonly address: string;
  readonly family: 4 | 6;
}

/** All addresses of a name. The caller bounds it by `signal`; what it rejects with is passed on. */
export type Resolve = (hostname: string, signal: AbortSignal) => Promise<readonly ResolvedAddress[]>;

/** The addresses to connect to and no others; FORBIDDEN_URL when ANY address of the name is forbidden. */
export type GuardedLookup = (url: URL, signal: AbortSignal) => Promise<Result<readonly ResolvedAddress[]>>;

/**
 * Resolves a host once and judges every answer. Connect only to what it returns (see pinnedLookup), keeping the name for TLS
 * and the Host header: resolving the name again may give another answer.
 */
export function guardedLookup(resolve: Resolve, allow: FetchAllow, field = 'archive_url'): GuardedLookup {
  return async (url, signal) => {
    const host = checkHost(url, allow, field);
    if (!host.ok) return host;
    const bare = bareHost(url.hostname);
    const family = isIP(bare);
    const answers = family === 4 || family === 6 ? [{ address: bare, family } as const] : await resolve(bare, signal);
    if (answers.length === 0) {
      return fail(problem('FETCH_FAILED', 'The name of the server has no address.', { details: { field } }));
    }
    if (!isListed(url, allow) && answers.some(({ address }) => isForbiddenAddress(address))) return forbidden(field);
    return ok(answers);
  };
}

type LookupCallback = (error: null, address: string | ResolvedAddress[], family?: number) => void;

/** A `lookup` for Node's sockets that answers with the given addresses, whatever it is asked. At least one is needed. */
export function pinnedLookup(addresses: readonly [ResolvedAddress, ...ResolvedAddress[]]) {
  const [first] = addresses;
  return (_hostname: string, options: { readonly all?: boolean | undefined }, callback: LookupCallback): void => {
    if (options.all === true) callback(null, [...addresses]);
    else callback(null, first.address, first.family);
  };
}
