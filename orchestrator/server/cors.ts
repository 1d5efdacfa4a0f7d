/**
 * Which pages of other origins may call: https://fetch.spec.whatwg.org/#http-cors-protocol. Tokens travel in a header that a
 * page has to set, never in a cookie, so that an origin gets no more than the token that it holds.
 */
import { cors as connectCors } from '@connectrpc/connect';
import type { NodeRequest, NodeResponse } from './node-http.ts';

/** Origins as browsers send them, or "*" for all. */
export type CorsOrigins = readonly string[] | '*';

const methods = 'GET, HEAD, POST, PATCH, OPTIONS';
const requestHeaders = [
  ...connectCors.allowedHeaders,
  'Authorization',
  'X-Avtomatika-Token',
  'Idempotency-Key',
  'Last-Event-ID',
  'Cache-Control',
].join(', ');
const exposedHeaders = [...connectCors.exposedHeaders, 'Botrunner-Error-Bin', 'Allow', 'Retry-After'].join(', ');
const preflightSeconds = 7_200;

/** Sets what an answer to an allowed origin needs. True when the request is a preflight, and is answered. */
export function applyCors(origins: CorsOrigins, request: NodeRequest, response: NodeResponse): boolean {
  if (origins !== '*' && origins.length === 0) return false;
  const { origin } = request.headers;
  // Answers differ by origin, also for those that are not allowed: a cache must know.
  response.setHeader('vary', 'Origin');
  if (origin === undefined || (origins !== '*' && !origins.includes(origin))) return false;
  response.setHeader('access-control-allow-origin', origins === '*' ? '*' : origin);
  response.setHeader('access-control-expose-headers', exposedHeaders);
  if (request.method !== 'OPTIONS' || request.headers['access-control-request-method'] === undefined) return false;
  response.setHeader('access-control-allow-methods', methods);
  response.setHeader('access-control-allow-headers', requestHeaders);
  response.setHeader('access-control-max-age', String(preflightSeconds));
  response.statusCode = 204;
  response.end();
  return true;
}

/** Undefined when one of the list is not an origin. */
export function parseCorsOrigins(text: string): CorsOrigins | undefined {
  const words = text.split(',').flatMap((word) => word.trim() || []);
  if (words.includes('*')) return words.length === 1 ? '*' : undefined;
  const origins = words.map((word) => URL.parse(word));
  return origins.every((url, index) => url !== null && isOrigin(url, words[index] ?? ''))
    ? origins.flatMap((url) => url?.origin ?? [])
    : undefined;
}

const isOrigin = (url: URL, word: string): boolean =>
  /^https?:$/.test(url.protocol) && !word.includes('*') && url.origin === word.toLowerCase().replace(/\/$/, '');
