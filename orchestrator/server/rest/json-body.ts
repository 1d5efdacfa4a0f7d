/** Reads a JSON request body, strictly: bounded, declared as JSON, UTF-8 without BOM, and the rules of common/json-text.ts. */
import type { IncomingMessage } from 'node:http';
import type { Http2ServerRequest } from 'node:http2';
import { parseStrictJson } from '#common/json-text.ts';
import { refuse, unwrap } from '#common/problem.ts';
import { bytesOf } from '../request-bytes.ts';

/** Text to JSON; throws MALFORMED_REQUEST. */
export function parseJson(bytes: Uint8Array): unknown {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    refuse('MALFORMED_REQUEST', 'The body is not valid UTF-8.');
  }
  return unwrap(parseStrictJson(text));
}

/** The whole body; throws PAYLOAD_TOO_LARGE as soon as it is too long. */
async function readBytes(request: IncomingMessage | Http2ServerRequest, maxBytes: number): Promise<Uint8Array> {
  const tooLarge = () => refuse('PAYLOAD_TOO_LARGE', `The body is larger than ${Math.round(maxBytes / 1024)} KiB.`);
  if (Number(request.headers['content-length'] ?? 0) > maxBytes) tooLarge();
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const bytes of bytesOf(request)) {
    length += bytes.length;
    if (length > maxBytes) tooLarge();
    chunks.push(bytes);
  }
  return Buffer.concat(chunks);
}

export async function readJsonBody(request: IncomingMessage | Http2ServerRequest, maxBytes: number): Promise<unknown> {
  const type = String(request.headers['content-type'] ?? '');
  if (!/^application\/json\s*(;|$)/i.test(type)) {
    refuse('MALFORMED_REQUEST', 'The body is not declared as JSON.', {
      hint: 'Send the header Content-Type: application/json.',
    });
  }
  return parseJson(await readBytes(request, maxBytes));
}
