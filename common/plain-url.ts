/**
 * Reads a URL that a user gave as a source: absolute, with a host, and written so that no two readers see it as different
 * things. Where it leads is judged in fetch-policy.ts. Pure.
 */
import { parseUrl } from './parse-url.ts';

/** What is wrong with a URL, for programs (details.rule). */
export type UrlRule =
  | 'not_text'
  | 'too_long'
  | 'control_character'
  | 'scheme'
  | 'unreadable'
  | 'user_info'
  | 'fragment'
  | 'host'
  | 'port';

/** Each rule as the end of a sentence that begins with "The URL". */
export const urlSentences: Readonly<Record<UrlRule, string>> = {
  not_text: 'is not text',
  too_long: 'is too long',
  control_character: 'contains a space, a backslash or a control character',
  scheme: 'does not begin with an allowed scheme followed by "://"',
  unreadable: 'cannot be read',
  user_info: 'contains user information',
  fragment: 'contains a fragment ("#...")',
  host: 'has a host name that is not valid',
  port: 'has the port 0, at which nothing can listen',
};

const maxLength = 2048;
// Spaces, and all that Unicode counts as control, format, surrogate, private or unassigned.
const oddPattern = /[\s\\\p{C}]/u;
// The same, hidden from the first look: servers and helpers decode it.
const hiddenPattern = /%(?:[01][0-9a-f]|5c|7f)/i;
const labelPattern = /^[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?$/;

export type UrlReading = { readonly ok: true; readonly url: URL } | { readonly ok: false; readonly rule: UrlRule };

const broken = (rule: UrlRule): UrlReading => ({ ok: false, rule });

/**
 * The URL as the WHATWG parser reads it, which also turns every spelling of an IPv4 address (127.1, 0x7f000001, 2130706433)
 * into the usual one, and a host name into ASCII. `schemes` without colon.
 */
export function readUrl(text: unknown, schemes: readonly string[]): UrlReading {
  if (typeof text !== 'string' || text === '') return broken('not_text');
  if (text.length > maxLength) return broken('too_long');
  if (oddPattern.test(text) || hiddenPattern.test(text)) return broken('control_character');
  // The parser also takes "https:host" and "https:///host".
  const parts = /^([a-z][a-z0-9+.-]*):\/\/([^/?#]+)/i.exec(text);
  const [, scheme = '', authority = ''] = parts ?? [];
  if (!schemes.includes(scheme.toLowerCase())) return broken('scheme');
  if (authority.includes('@')) return broken('user_info');
  if (text.includes('#')) return broken('fragment');
  const url = parseUrl(text);
  if (url === null || !schemes.includes(url.protocol.slice(0, -1))) return broken('unreadable');
  const { hostname } = url;
  const labels = hostname.replace(/\.$/, '').split('.');
  if (!hostname.startsWith('[') && !labels.every((label) => label.length <= 63 && labelPattern.test(label))) {
    return broken('host');
  }
  return url.port === '0' ? broken('port') : { ok: true, url };
}
