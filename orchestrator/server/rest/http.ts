/** What the REST routes share: requests of both protocols, answers, and how they are sent. */
import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import type { Http2ServerRequest } from 'node:http2';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { Json } from '#common/json.ts';
import { refuse } from '#common/problem.ts';
import { discardRest } from '../body/discard-rest.ts';
import { isGone } from '../is-gone.ts';

export type Request = IncomingMessage | Http2ServerRequest;

/** What the responses of http1 and http2 have in common. */
export interface Response {
  readonly writableEnded: boolean;
  readonly headersSent: boolean;
  readonly destroyed: boolean;
  writeHead(status: number, headers: OutgoingHttpHeaders): unknown;
  /** False when `drain` is to be waited for. */
  write(data: string | Uint8Array): boolean;
  once(event: 'drain' | 'close', listener: () => void): unknown;
  removeListener(event: 'drain' | 'close', listener: () => void): unknown;
  destroy(): unknown;
  end(body: Uint8Array): unknown;
}

export type Answer =
  | {
      readonly status: number;
      /** Not sent with status 204. */
      readonly body: Json;
      readonly headers?: OutgoingHttpHeaders;
    }
  | {
      readonly status: number;
      readonly text: string;
      /** The content type. */
      readonly type: string;
      readonly headers?: OutgoingHttpHeaders;
    };

/** Reads a header by its lower-case name. */
export const headerOf =
  (request: Request) =>
  (name: string): string | undefined => {
    const value = request.headers[name];
    return Array.isArray(value) ? value.join(', ') : value;
  };

/** A JSON object's fields, "__proto__" among them, as an object without a prototype. */
export function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return Object.assign(Object.create(null), value);
  }
  refuse('MALFORMED_REQUEST', 'The body is not a JSON object.', {
    example: { blueprint: 'bot_runner', data: { action: 'list' } },
  });
}

// Below this gzip costs more time than it saves.
const compressMinBytes = 16 * 1024;

/** Rejects with what Node.js throws when the answer cannot be written, for the guard of the request: nobody else is there. */
export async function sendAnswer(request: Request, response: Response, answer: Answer): Promise<void> {
  const { status } = answer;
  const { text, type } =
    'body' in answer ? { text: JSON.stringify(answer.body), type: 'application/json; charset=utf-8' } : answer;
  const content = Buffer.from(status === 204 ? '' : text);
  const headers = { ...answer.headers, ...(status === 204 ? {} : { 'content-type': type }) };
  if (content.length < compressMinBytes || !takesGzip(headerOf(request)('accept-encoding'))) {
    send(request, response, status, headers, content);
    return;
  }
  const zipped = await promisify(gzip)(content);
  if (!isGone(response)) send(request, response, status, { ...headers, 'content-encoding': 'gzip' }, zipped);
}

function send(
  request: Request,
  response: Response,
  status: number,
  headers: OutgoingHttpHeaders,
  content: Uint8Array,
): void {
  response.writeHead(status, {
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    ...headers,
    ...(status === 204 ? {} : { 'content-length': content.length }),
  });
  response.end(request.method === 'HEAD' ? Buffer.alloc(0) : content);
  discardRest(request);
}

/** RFC 9110, section 12.5.3. */
export function takesGzip(acceptEncoding: string | undefined): boolean {
  for (const word of (acceptEncoding ?? '').split(',')) {
    const [name = '', ...parameters] = word.split(';').map((part) => part.trim().toLowerCase());
    if (name === 'gzip' || name === 'x-gzip') return !parameters.some((each) => /^q=0(?:\.0{0,3})?$/.test(each));
  }
  return false;
}
