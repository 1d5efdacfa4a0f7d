/** Reads a JSON request body, strictly: bounded, declared as JSON, UTF-8 without BOM, and the rules of common/json-text.ts. */
import type { IncomingMessage } from 'node:http';
import type { Http2ServerRequest } from 'node:http2';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { parseStrictJson } from '#common/json-text.ts';
import { refuse, unwrap } from '#common/problem.ts';
import { GrowingBytes } from '../growing-bytes.ts';
import { bodyBytes } from '../request-bytes.ts';

/** Text to JSON; throws MALFORMED_REQUEST. */
function parseJson(bytes: Uint8Array): unknown {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    refuse('MALFORMED_REQUEST', 'The body is not valid UTF-8.');
  }
  return unwrap(parseStrictJson(text));
}

const refuseSize = (maxBytes: number): never =>
  refuse(
    'PAYLOAD_TOO_LARGE',
    `The body is larger than ${Math.round(maxBytes / 1024)} KiB.`,
    maxBytes < 1024 * 1024 ? { hint: "This route does not carry a bot's source: send less." } : {},
  );

/** The whole body; throws PAYLOAD_TOO_LARGE as soon as it is too long. */
async function readBytes(request: IncomingMessage | Http2ServerRequest, maxBytes: number): Promise<Uint8Array> {
  if (Number(request.headers['content-length'] ?? 0) > maxBytes) refuseSize(maxBytes);
  const body = new GrowingBytes();
  for await (const bytes of bodyBytes(request)) {
    if (body.length + bytes.length > maxBytes) refuseSize(maxBytes);
    body.add(bytes, maxBytes);
  }
  return body.bytes;
}

/** What was sent, whether compressed or not. */
async function readContent(request: IncomingMessage | Http2ServerRequest, maxBytes: number): Promise<Uint8Array> {
  const encoding = String(request.headers['content-encoding'] ?? 'identity').toLowerCase();
  const known = encoding === 'gzip' || encoding === 'x-gzip';
  if (!known && encoding !== 'identity') {
    refuse('UNSUPPORTED_MEDIA_TYPE', 'The body is compressed in an unsupported way.', {
      hint: 'Send it uncompressed or with gzip.',
    });
  }
  const bytes = await readBytes(request, maxBytes);
  if (!known) return bytes;
  try {
    return await promisify(gunzip)(bytes, { maxOutputLength: maxBytes });
  } catch (error) {
    if (error instanceof RangeError) refuseSize(maxBytes);
    refuse('MALFORMED_REQUEST', 'The body is not valid gzip.');
  }
}

export async function readJsonBody(request: IncomingMessage | Http2ServerRequest, maxBytes: number): Promise<unknown> {
  const type = String(request.headers['content-type'] ?? '');
  if (!/^application\/json\s*(;|$)/i.test(type)) {
    refuse('MALFORMED_REQUEST', 'The body is not declared as JSON.', {
      hint: 'Send the header Content-Type: application/json.',
    });
  }
  return parseJson(await readContent(request, maxBytes));
}
