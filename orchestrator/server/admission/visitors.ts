/**
 * Under which names the API may be called, and by pages of which origins. A page that has had its own name resolved to this machine (DNS
 * rebinding) is of the same origin as we are to its browser, and may send us anything; but the name is its own, in Host. Pure.
 */
import { isIP } from 'node:net';
import { isLoopbackHost } from '#common/loopback.ts';
import { type Problem, problem } from '#common/problem.ts';
import type { CorsOrigins } from '../cors.ts';

export interface VisitorRules {
  /** Whether the port listens on loopback. */
  readonly loopback: boolean;
  /** Whether everybody knows a token: then a name has to be one of ours, wherever the port listens. */
  readonly developmentTokens: boolean;
  /** PUBLIC_NAME, in lower case. */
  readonly publicNames: readonly string[];
  readonly origins: CorsOrigins;
}

export interface Visit {
  /** Host, or :authority; undefined where there is none, which no browser does. */
  readonly host: string | undefined;
  readonly origin: string | undefined;
}

/** What is wrong with a request for a call that needs a token; it is the same whatever the token is. */
export function checkVisit({ host, origin }: Visit, rules: VisitorRules): Problem | undefined {
  if (host !== undefined && host !== '' && !isOurs(nameOf(host), rules)) {
    const name = nameOf(host);
    return problem('PERMISSION_DENIED', `This server does not answer to the name ${name.slice(0, 253)}.`, {
      details: { host: name.slice(0, 253) },
      hint: `Call it by one of its own names; its operator adds names with PUBLIC_NAME=${[...rules.publicNames, name].join(',').slice(0, 400)}`,
      example: 'curl http://localhost:8000/health',
    });
  }
  if (origin === undefined || isAllowed(origin, host, rules.origins)) return undefined;
  return problem('PERMISSION_DENIED', 'Web pages of this origin may not call this server.', {
    details: { origin: origin.slice(0, 253) },
    hint: 'The operator adds origins of web pages with CORS_ORIGINS.',
    example: 'CORS_ORIGINS=https://app.example',
  });
}

const isOurs = (name: string, { loopback, developmentTokens, publicNames }: VisitorRules): boolean =>
  // An address cannot be anybody else's name.
  isIP(name) !== 0 ||
  isLoopbackHost(name) ||
  name.endsWith('.localhost') ||
  publicNames.includes(name) ||
  // Of a network of containers: nobody can own it elsewhere.
  (!loopback && !name.includes('.')) ||
  (!loopback && !developmentTokens && publicNames.length === 0);

const isAllowed = (origin: string, host: string | undefined, origins: CorsOrigins): boolean =>
  origins === '*' || origins.includes(origin) || (host !== undefined && URL.parse(origin)?.host === host.toLowerCase());

/** Without the port, the brackets of IPv6 and the dot of the root. */
function nameOf(host: string): string {
  const [, name = host] = /^(.*?)(?::\d{0,5})?$/.exec(host) ?? [];
  return name
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/\.$/, '')
    .toLowerCase();
}

/** PUBLIC_NAME: host names separated by commas; undefined when one is not a name. */
export function parsePublicNames(text: string): readonly string[] | undefined {
  const names = text.split(',').flatMap((word) => word.trim().toLowerCase() || []);
  return names.every((name) => /^[a-z0-9](?:[a-z0-9_.-]{0,251}[a-z0-9])?$/.test(name)) ? names : undefined;
}
