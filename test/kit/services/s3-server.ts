/**
 * A stand-in for an S3 storage with one bucket: stores, serves and lists objects for requests signed with the right key, as
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html says. Everything is kept in memory.
 */
import { createHash, createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';

export interface TestS3 {
  /** For S3_ENDPOINT, "http://HOST:PORT". */
  readonly url: string;
  readonly accessKey: string;
  readonly secretKey: string;
  readonly bucket: string;
  /** What was put, by key. */
  readonly objects: ReadonlyMap<string, Buffer>;
  /** Requests that were refused. */
  refused(): number;
  close(): Promise<void>;
}

const accessKey = 'AKIATESTOFTHEBOTS';
const secretKey = 's3-canary-0b6a5cd1e2f34';
const bucket = 'bot-files';

export async function startS3(host: string): Promise<TestS3> {
  const objects = new Map<string, Buffer>();
  let refused = 0;
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const body = await buffer(request);
    const path = new URL(request.url ?? '/', 'http://s3').pathname;
    const key = path.startsWith(`/${bucket}/`) ? decodeURIComponent(path.slice(bucket.length + 2)) : undefined;
    if (!isSigned(request)) {
      refused++;
      return end(response, 403, '<Error><Code>SignatureDoesNotMatch</Code></Error>');
    }
    if (key === undefined) return end(response, 404, '<Error><Code>NoSuchBucket</Code></Error>');
    if (request.method === 'PUT') {
      objects.set(key, body);
      return response.writeHead(200, { etag: `"${createHash('md5').update(body).digest('hex')}"` }).end();
    }
    const object = objects.get(key);
    return object ? response.writeHead(200).end(object) : end(response, 404, '<Error><Code>NoSuchKey</Code></Error>');
  };
  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => end(response, 500, `<Error>${error}</Error>`));
  });
  server.listen(0, host);
  await once(server, 'listening');
  // A TCP server that listens has an AddressInfo.
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://${host}:${port}`,
    accessKey,
    secretKey,
    bucket,
    objects,
    refused: () => refused,
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

const end = (response: ServerResponse, status: number, xml: string) =>
  response.writeHead(status, { 'content-type': 'application/xml' }).end(xml);

/** Whether the header Authorization is what the secret key makes of this request. */
function isSigned(request: IncomingMessage): boolean {
  const [, key, day, region, names = '', signature] =
    /^AWS4-HMAC-SHA256 Credential=(\w+)\/(\d{8})\/([\w-]+)\/s3\/aws4_request, ?SignedHeaders=([\w;-]+), ?Signature=(\w{64})$/.exec(
      request.headers.authorization ?? '',
    ) ?? [];
  if (key !== accessKey || day === undefined || region === undefined) return false;
  const url = new URL(request.url ?? '/', 'http://s3');
  const headers = names.split(';').map((name) => `${name}:${String(request.headers[name] ?? '').trim()}\n`);
  const canonical = [
    request.method,
    url.pathname,
    [...url.searchParams]
      .map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`)
      .toSorted()
      .join('&'),
    headers.join(''),
    names,
    String(request.headers['x-amz-content-sha256']),
  ].join('\n');
  const scope = `${day}/${region}/s3/aws4_request`;
  const hash = createHash('sha256').update(canonical).digest('hex');
  const text = `AWS4-HMAC-SHA256\n${request.headers['x-amz-date']}\n${scope}\n${hash}`;
  const parts = [day, region, 's3', 'aws4_request', text];
  const made = parts.reduce<Buffer>(
    (secret, part) => createHmac('sha256', secret).update(part).digest(),
    Buffer.from(`AWS4${secretKey}`),
  );
  return made.toString('hex') === signature;
}
