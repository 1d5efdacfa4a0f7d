/**
 * What a request is aimed at, as one safe value: RFC 9112, section 3.2 (the four forms of a target, and Host) and RFC 9113,
 * section 8.3.1 (:authority). Pure.
 */
import { fail, ok, type Problem, problem, type Result } from '#common/problem.ts';

export interface RequestLine {
  readonly method: string;
  /** As it is in the request line, or in :path. */
  readonly target: string;
  /** Every Host header there was, or :authority alone. */
  readonly hosts: readonly string[];
}

export interface Target {
  /** Begins with a slash; "*" alone for a request about the server as a whole. */
  readonly path: string;
  /** Without the question mark. */
  readonly query: string;
}

// A name or address and an optional port, without a user: RFC 3986, section 3.2. Bounded, because it is not an IP address
// before it was looked at.
const hostPattern = /^(\[[0-9A-Fa-f:.]{2,64}\]|[A-Za-z0-9._~!$&'()*+,;=%-]{0,255})(:\d{0,5})?$/;

const malformed = (message: string, hint: string): Problem => problem('MALFORMED_REQUEST', message, { hint });

const isHost = (host: string): boolean =>
  host === '' || (hostPattern.test(host) && URL.canParse(`http://${host}/`) && !host.startsWith(':'));

/** MALFORMED_REQUEST for an invalid host, more than one, or a target of unknown form. */
export function parseTarget({ method, target, hosts }: RequestLine): Result<Target> {
  if (hosts.length > 1 || hosts.some((host) => !isHost(host))) {
    return fail(
      malformed('The Host of the request is not HOST or HOST:PORT.', 'Send one header such as Host: localhost'),
    );
  }
  if (target === '*' && method === 'OPTIONS') return ok({ path: '*', query: '' });
  const origin = target.startsWith('/') ? target : originForm(target);
  if (origin === undefined) {
    return fail(malformed('The target of the request is not a path.', 'Ask for a path that begins with a slash.'));
  }
  const [withoutFragment = '/'] = origin.split('#', 1);
  const mark = withoutFragment.indexOf('?');
  if (mark < 0) return ok({ path: withoutFragment, query: '' });
  return ok({ path: withoutFragment.slice(0, mark), query: withoutFragment.slice(mark + 1) });
}

/** From a target as clients send it to a proxy, which a server must also accept (RFC 9112, section 3.2.2). */
function originForm(target: string): string | undefined {
  const rest = /^https?:\/\/([^/?#]*)(.*)$/is.exec(target);
  if (rest === null || !isHost(rest[1] ?? '') || rest[1] === '') return undefined;
  const path = rest[2] ?? '';
  return path.startsWith('/') ? path : `/${path}`;
}
