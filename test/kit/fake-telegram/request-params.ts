/** Reads the parameters of one Bot API call from query and body, in every form Telegram takes, up to a size limit. */
import type { IncomingMessage } from 'node:http';
import type { Params } from './bot-api.ts';

const bodyBytesMax = 1024 * 1024;

/** What the caller sent cannot be used; `status` is the HTTP status to answer with. */
export class BadCall extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** Query and body parameters together, the body's win. Throws BadCall. Uploaded files are left out. */
export async function readParams(request: IncomingMessage, query: URLSearchParams): Promise<Params> {
  const body = await readBody(request);
  return { ...Object.fromEntries(query), ...(await parseBody(body, request.headers['content-type'] ?? '')) };
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request) {
    length += chunk.length;
    // Read on to the end without keeping it: a client that is still sending would not see our answer.
    if (length <= bodyBytesMax) chunks.push(chunk);
  }
  if (length > bodyBytesMax) throw new BadCall(413, 'Request Entity Too Large');
  return Buffer.concat(chunks);
}

async function parseBody(body: Buffer, contentType: string): Promise<Params> {
  if (body.length === 0) return {};
  try {
    if (/^application\/json\b/i.test(contentType)) return parseObject(body.toString('utf8'));
    if (/^(multipart\/form-data|application\/x-www-form-urlencoded)\b/i.test(contentType)) {
      const form = await new Response(new Uint8Array(body), { headers: { 'content-type': contentType } }).formData();
      return Object.fromEntries([...form].filter(([, value]) => typeof value === 'string'));
    }
  } catch (error) {
    throw new BadCall(400, `Bad Request: can't parse the body (${error instanceof Error ? error.message : 'unknown'})`);
  }
  throw new BadCall(400, 'Bad Request: unsupported content type');
}

function parseObject(text: string): Params {
  const value: unknown = JSON.parse(text);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error('object expected');
  return { ...value };
}
