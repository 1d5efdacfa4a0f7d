/** Reads a JSON request body, strictly: bounded, declared as JSON, UTF-8 without BOM, and the rules of common/json-text.ts. */
import { jsonBounds, parseStrictJson } from '#common/json-text.ts';
import { ProblemError, problem, refuse, unwrap } from '#common/problem.ts';
import type { Allowance } from '../admission/admission.ts';
import { lookAtJson, readWhole } from '../body/growing-message.ts';
import { BodyTooLargeError, bodyBytes } from '../body/request-bytes.ts';
import { NotGzipError, unpacked } from '../body/unpack.ts';
import type { NodeRequest } from '../node-http.ts';

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

const tooLarge = (maxBytes: number): ProblemError =>
  new ProblemError(
    problem(
      'PAYLOAD_TOO_LARGE',
      `The body is larger than ${Math.round(maxBytes / 1024)} KiB.`,
      maxBytes < 1024 * 1024 ? { hint: "This route does not carry a bot's source: send less." } : {},
    ),
  );

/** What was sent, whether compressed or not. */
async function readContent(request: NodeRequest, allowance: Allowance): Promise<Uint8Array> {
  const encoding = String(request.headers['content-encoding'] ?? 'identity').toLowerCase();
  const isGzip = encoding === 'gzip' || encoding === 'x-gzip';
  if (!isGzip && encoding !== 'identity') {
    refuse('UNSUPPORTED_MEDIA_TYPE', 'The body is compressed in an unsupported way.', {
      hint: 'Send it uncompressed or with gzip.',
    });
  }
  const { body, hold, turn, large } = allowance;
  const { messageMaxBytes: maxBytes } = body;
  const bytes = bodyBytes(request, allowance);
  try {
    return await readWhole(isGzip ? unpacked(bytes) : bytes, {
      maxBytes,
      tooLarge: () => tooLarge(maxBytes),
      look: lookAtJson(jsonBounds),
      refused: (refused) => new ProblemError(refused),
      turn,
      hold,
      large,
    });
  } catch (error) {
    if (error instanceof BodyTooLargeError) throw tooLarge(maxBytes);
    if (error instanceof NotGzipError) refuse('MALFORMED_REQUEST', 'The body is not valid gzip.');
    throw error;
  }
}

export async function readJsonBody(request: NodeRequest, allowance: Allowance): Promise<unknown> {
  const type = String(request.headers['content-type'] ?? '');
  if (!/^application\/json\s*(;|$)/i.test(type)) {
    // What else a page of another origin could send without asking first.
    refuse('UNSUPPORTED_MEDIA_TYPE', 'The body is not declared as JSON.', {
      hint: 'Send the header Content-Type: application/json.',
    });
  }
  const content = await readContent(request, allowance);
  await allowance.large?.begin(content.length);
  return parseJson(content);
}
