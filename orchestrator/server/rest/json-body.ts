/** Reads a JSON request body, strictly: bounded, UTF-8 without BOM, no lone surrogates, not nested beyond reason. */
import type { IncomingMessage } from 'node:http';
import type { Http2ServerRequest } from 'node:http2';
import { refuse } from '#common/problem.ts';

const maxDepth = 64;

/** Nesting depth of JSON text; brackets inside strings do not count. */
function depthOf(text: string): number {
  let depth = 0;
  let deepest = 0;
  let inString = false;
  for (let index = 0; index < text.length; index++) {
    const character = text[index];
    if (inString) {
      if (character === '\\') index += 1;
      else if (character === '"') inString = false;
    } else if (character === '"') inString = true;
    else if (character === '{' || character === '[') deepest = Math.max(deepest, ++depth);
    else if (character === '}' || character === ']') depth -= 1;
  }
  return deepest;
}

function assertWellFormed(value: unknown): void {
  if (typeof value === 'string') {
    if (!value.isWellFormed()) refuse('MALFORMED_REQUEST', 'The body has text that is not valid Unicode.');
  } else if (typeof value === 'object' && value !== null) {
    for (const [key, member] of Object.entries(value)) {
      assertWellFormed(key);
      assertWellFormed(member);
    }
  }
}

/** Text to JSON; throws MALFORMED_REQUEST. */
export function parseJson(bytes: Uint8Array): unknown {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    refuse('MALFORMED_REQUEST', 'The body is not valid UTF-8.');
  }
  if (depthOf(text) > maxDepth) refuse('MALFORMED_REQUEST', `The body is nested more than ${maxDepth} levels deep.`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The parser's own message quotes the body, which may hold secrets.
    refuse('MALFORMED_REQUEST', 'The body is not valid JSON.');
  }
  assertWellFormed(value);
  return value;
}

/** The whole body; throws PAYLOAD_TOO_LARGE as soon as it is too long. */
async function readBytes(request: IncomingMessage | Http2ServerRequest, maxBytes: number): Promise<Uint8Array> {
  const tooLarge = () =>
    refuse('PAYLOAD_TOO_LARGE', `The body is larger than ${Math.round(maxBytes / 1024 / 1024)} MiB.`);
  if (Number(request.headers['content-length'] ?? 0) > maxBytes) tooLarge();
  const chunks: Buffer[] = [];
  let length = 0;
  // Leaving the loop early must not end the connection: the refusal still has to go out on it.
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    const bytes = chunk as Buffer; // no encoding is set on the stream
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
