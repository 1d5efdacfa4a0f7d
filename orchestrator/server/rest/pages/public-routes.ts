/** The paths that anybody may ask for, without a token. */
import type { TLSSocket } from 'node:tls';
import { version } from '#common/version.ts';
import { type Answer, headerOf, type Request } from '../http.ts';
import { addressOf, frontParts, frontTitle } from './front-page.ts';
import { htmlPage, pageHeaders, textPage } from './html.ts';
import { preferredType } from './preferred-type.ts';

const names = ['/health', '/healthz', '/livez', '/readyz'];
const plain = 'text/plain; charset=utf-8';
export const htmlType = 'text/html; charset=utf-8';

/** Undefined for every other path, and for other methods than GET and HEAD. */
export function publicRoute(request: Request, path: string): Answer | undefined {
  if (request.method !== 'GET' && request.method !== 'HEAD') return undefined;
  if (names.includes(path)) return { status: 200, body: { status: 'ok' } };
  switch (path) {
    case '/':
      return frontPage(request);
    case '/version':
      return { status: 200, body: { name: 'bot-runner', version } };
    // Nothing here is for search engines.
    case '/robots.txt':
      return { status: 200, text: 'User-agent: *\nDisallow: /\n', type: plain };
    // Browsers ask for it by themselves.
    case '/favicon.ico':
      return { status: 204, body: null };
    default:
      return undefined;
  }
}

function frontPage(request: Request): Answer {
  const header = headerOf(request);
  const host = 'authority' in request && request.authority ? request.authority : header('host');
  // Of HTTP/2 it is a proxy that has the properties of either kind of socket.
  const encrypted = (request.socket as Partial<TLSSocket>).encrypted === true;
  const parts = frontParts(addressOf(host, encrypted, header('x-forwarded-proto')));
  const headers = { ...pageHeaders, vary: 'accept' };
  return prefersHtml(request)
    ? { status: 200, text: htmlPage(frontTitle, parts), type: htmlType, headers }
    : { status: 200, text: textPage(frontTitle, parts), type: plain, headers };
}

/** A browser does; curl and programs do not. */
export const prefersHtml = (request: Request): boolean =>
  preferredType(headerOf(request)('accept'), ['text/plain', 'text/html', 'application/json']) === 'text/html';
