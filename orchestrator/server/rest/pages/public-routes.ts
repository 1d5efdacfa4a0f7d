/** The paths that anybody may ask for, without a token. */
import type { TLSSocket } from 'node:tls';
import { version } from '#common/version.ts';
import { type Answer, headerOf, type Request } from '../http.ts';
import type { Route, RouteHandler, RouteMethod } from '../route.ts';
import { addressOf, frontParts, frontTitle } from './front-page.ts';
import { htmlPage, pageHeaders, textPage } from './html.ts';
import { preferredType } from './preferred-type.ts';

const plain = 'text/plain; charset=utf-8';
export const htmlType = 'text/html; charset=utf-8';

/** The reason for bad health is for the operator, in the log. */
const health = (trouble: string | undefined): Answer =>
  trouble === undefined ? { status: 200, body: { status: 'ok' } } : { status: 503, body: { status: 'failing' } };

/** `trouble`: what is wrong with the store. */
export const publicRoutes = (trouble: () => string | undefined): readonly Route[] => [
  { pattern: /^\/$/, methods: { GET: open(({ request }) => frontPage(request)) } },
  {
    pattern: /^\/(?:health|healthz|livez|readyz)$/,
    methods: { GET: { ...open(() => health(trouble())), isHealthCheck: true } },
  },
  { pattern: /^\/version$/, methods: { GET: open(() => ({ status: 200, body: { name: 'bot-runner', version } })) } },
  // Nothing here is for search engines.
  {
    pattern: /^\/robots\.txt$/,
    methods: { GET: open(() => ({ status: 200, text: 'User-agent: *\nDisallow: /\n', type: plain })) },
  },
  // Browsers ask for it unprompted.
  { pattern: /^\/favicon\.ico$/, methods: { GET: open(() => ({ status: 204, body: null })) } },
];

function open(handle: RouteHandler): RouteMethod {
  return { scopes: undefined, body: 'open', handle };
}

function frontPage(request: Request): Answer {
  const header = headerOf(request);
  const host = 'authority' in request && request.authority ? request.authority : header('host');
  // In HTTP/2 it is a proxy with the properties of either kind of socket.
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
