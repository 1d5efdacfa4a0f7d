/**
 * Requests as nobody should send them, made from a seed. Each is a kind of connection and the bytes to send on it; most are
 * almost right, so that they get past the parser and to what is behind it.
 */
import { createRandom, type Random } from './random.ts';

export interface Request {
  readonly tls: boolean;
  /** With TLS: what is offered by ALPN. */
  readonly alpn: 'h2' | 'http/1.1';
  readonly bytes: Buffer;
  /** How it goes after the bytes were sent. */
  readonly ending: 'read' | 'half-close' | 'reset';
}

interface Parts {
  readonly method: string;
  readonly target: string;
  readonly hosts: readonly string[];
  readonly headers: readonly (readonly [string, string])[];
  readonly body: Buffer;
}

const methods = ['GET', 'POST', 'POST', 'POST', 'PUT', 'HEAD', 'DELETE', 'OPTIONS', 'PATCH', 'TRACE', 'CONNECT'];
const oddMethods = ['get', 'PRI', 'G@T', '', 'M-SEARCH', 'POST'.repeat(50), 'P\0ST'];
const rest = [
  '/',
  '/health',
  '/jobs',
  '/jobs/01ARZ3NDEKTSV4RRFFQ69G5FAV',
  '/api/jobs/bot_runner',
  '/api/jobs/x',
  '/events',
  '/workers/register',
  '/_worker/workers/w1',
  '/workers/w1/tasks?wait=0',
  '/_worker/workers/w1/tasks/next',
  '/tasks/result',
];
const services: Readonly<Record<string, readonly string[]>> = {
  'botrunner.v1.BotService': [
    'StartBot',
    'UpdateBot',
    'ConfigureBot',
    'ListBots',
    'GetBot',
    'StreamLogs',
    'WatchBots',
    'StopBot',
  ],
  'botrunner.v1.JobService': ['CreateJob', 'GetJob', 'WatchJob', 'CancelJob'],
  'botrunner.v1.ArtifactService': ['UploadArtifact'],
  'botrunner.v1.WorkerService': ['Join', 'Session', 'TailLogs', 'FetchArtifact'],
  'botrunner.v1.AdminService': ['ListTokens', 'CreateToken', 'RevokeToken', 'ListWorkers', 'DrainWorker'],
  'grpc.health.v1.Health': ['Check', 'Watch'],
  'grpc.reflection.v1.ServerReflection': ['ServerReflectionInfo'],
  'no.such.Service': ['Method'],
};
const oddTargets = [
  '*',
  '',
  '//',
  '///x',
  '/..%2f..%2fetc/passwd',
  '/%',
  '/%zz',
  '/workers/%/tasks',
  '/jobs/%00',
  '/jobs/%E0%A4%A',
  '/?%',
  '/events?last=%&bot=%ff',
  '/events?bot=a&bot=b&&=&last=-1',
  'http://[/jobs',
  'http://localhost/jobs',
  'http:///',
  'https://u:p@h/health',
  'localhost:80',
  '/health#?x',
  '/jobs\u00e9\u00ff',
  `/${'a'.repeat(9_000)}`,
  `/?${'x&'.repeat(3_000)}`,
];
const hosts = ['localhost', '127.0.0.1:8000', '[::1]:8000', 'bots.example', 'localhost', 'localhost', 'localhost'];
const oddHosts = [
  '[',
  ']',
  '[::1',
  '[]',
  ':',
  ':80',
  'a b',
  'h:x',
  'h:99999',
  'u@h',
  'a/b',
  '\u00e9',
  '%',
  '..',
  '#',
  '\\',
  '?',
];
const types = [
  'application/json',
  'application/json; charset=utf-8',
  'application/proto',
  'application/grpc',
  'application/grpc+proto',
  'application/grpc-web',
  'application/grpc-web-text',
  'application/connect+json',
  'application/connect+proto',
  'text/plain',
  'application/grpc+x',
  '',
  ';',
  'multipart/form-data; boundary=x',
];
const tokens = ['test-client-token', 'test-admin-token', 'test-worker-token', 'nope', 'x'.repeat(600), '\u00ff'];
const oddHeaders: readonly (readonly [string, string])[] = [
  ['grpc-timeout', '1m'],
  ['grpc-timeout', '99999999H'],
  ['grpc-timeout', '-1S'],
  ['grpc-timeout', '1'],
  ['connect-timeout-ms', '1'],
  ['connect-timeout-ms', '9999999999'],
  ['connect-timeout-ms', 'x'],
  ['connect-protocol-version', '1'],
  ['connect-protocol-version', '9'],
  ['grpc-encoding', 'gzip'],
  ['grpc-encoding', 'snappy'],
  ['content-encoding', 'gzip'],
  ['content-encoding', 'br'],
  ['connect-content-encoding', 'gzip'],
  ['accept-encoding', 'gzip, br;q=0, *'],
  ['accept', '*/*;q=x'],
  ['te', 'trailers'],
  ['expect', '100-continue'],
  ['expect', 'the unexpected'],
  ['upgrade', 'websocket'],
  ['upgrade', 'h2c'],
  ['connection', 'upgrade, close, x'],
  ['connection', 'keep-alive'],
  ['origin', 'https://evil.example'],
  ['origin', 'null'],
  ['access-control-request-method', 'POST'],
  ['idempotency-key', 'a b'],
  ['idempotency-key', 'k'.repeat(300)],
  ['last-event-id', '\u00ff'],
  ['x-avtomatika-token', 'test-client-token'],
  ['x-worker-token', ''],
  ['x-forwarded-for', 'a'.repeat(200)],
  ['cookie', 'a=b; c'],
  ['range', 'bytes=0-'],
  ['if-none-match', '*'],
  ['transfer-encoding', 'gzip, chunked'],
  ['transfer-encoding', 'identity'],
  ['content-length', '-1'],
  ['content-length', '99999999999'],
  ['content-length', '0x10'],
  ['content-length', '3'],
  ['x', 'y'.repeat(15_000)],
];

const json = [
  '{}',
  '{"blueprint":"bot_runner","data":{"action":"list"}}',
  '{"blueprint":"bot_runner","data":{"action":"logs","bot_id":"a","lines":"5"}}',
  '{"blueprint":"test_workflow","data":{"input":"x"}}',
  '{"botId":"a","lines":2147483648}',
  '{"jobId":"\\ud800"}',
  '{"service":"x","botId":1}',
  '[[[[[[[[[[]]]]]]]]]]',
  '{"__proto__":{"a":1},"constructor":{}}',
  'null',
  '"',
  '{"a":1e999}',
  '{"worker_id":"w1","supported_tasks":["process_data"]}',
  '{"worker_id":"w1","task_id":"t","job_id":"j","result":{"status":"x"}}',
  '',
];

function envelope(random: Random, message: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head[0] = random.pick([0, 0, 0, 0, 1, 2, 128, 255]);
  head.writeUInt32BE(
    random.chance(0.8) ? message.length : random.pick([0, message.length + 1, 2 ** 32 - 1, 300_000]),
    1,
  );
  return Buffer.concat([head, message]);
}

function bodyOf(random: Random, type: string): Buffer {
  const message = random.chance(0.6)
    ? Buffer.from(random.pick(json))
    : random.pick([
        Buffer.alloc(0),
        Buffer.from([0x0a, 1, 97]),
        random.bytes(random.below(64)),
        Buffer.from([0x0a, 0xff]),
      ]);
  if (!/grpc|connect\+/.test(type) || random.chance(0.1)) return message;
  const envelopes = Array.from({ length: random.pick([0, 1, 1, 1, 1, 2]) }, () => envelope(random, message));
  return Buffer.concat(envelopes).subarray(0, random.chance(0.9) ? undefined : random.below(8));
}

function targetOf(random: Random): string {
  if (random.chance(0.15)) return random.pick(oddTargets);
  const path = random.chance(0.4) ? random.pick(rest) : procedureOf(random);
  if (random.chance(0.85)) return path;
  const at = random.below(path.length);
  const odd = random.pick(['%', '/', '?', '#', '\u0001', '.', ' ', '\u00ff', '%00', '&x=', ';']);
  return random.pick([
    path + odd,
    path.slice(0, at) + odd + path.slice(at),
    `${path}?encoding=json&message=%7B%7D&connect=v1`,
  ]);
}

function procedureOf(random: Random): string {
  const [service = '', names = []] = random.pick(Object.entries(services));
  return `/${service}/${random.pick(names)}`;
}

function partsOf(random: Random): Parts {
  const target = targetOf(random);
  const type = random.pick(types);
  const headers: (readonly [string, string])[] = [];
  if (random.chance(0.95)) headers.push(['content-type', type]);
  if (random.chance(0.7))
    headers.push(['authorization', `${random.chance(0.95) ? 'Bearer' : 'Basic'} ${random.pick(tokens)}`]);
  while (random.chance(0.3)) headers.push(random.pick(oddHeaders));
  return {
    method: random.chance(0.05)
      ? random.pick(oddMethods)
      : target.startsWith('/botrunner') && random.chance(0.8)
        ? 'POST'
        : random.pick(methods),
    target,
    hosts: random.chance(0.1)
      ? []
      : random.chance(0.03)
        ? ['a', 'b']
        : [random.pick(random.chance(0.15) ? oddHosts : hosts)],
    headers,
    body: random.chance(0.1) ? Buffer.alloc(0) : bodyOf(random, type),
  };
}

/** HTTP/1.x as text, with framing that is right, or not. */
function http1(random: Random): Buffer {
  const { method, target, hosts: names, headers, body } = partsOf(random);
  const version = random.chance(0.7)
    ? 'HTTP/1.1'
    : random.pick(['HTTP/1.0', 'HTTP/1.0', 'HTTP/0.9', 'HTTP/2.0', 'HTTP/1.2', 'http/1.1', 'XTTP/1', '']);
  const end = random.chance(0.97) ? '\r\n' : random.pick(['\n', '\r', '\r\n\r\n']);
  const lines = [`${method} ${target} ${version}`, ...names.map((host) => `Host: ${host}`)];
  for (const [name, value] of headers)
    lines.push(`${name}${random.chance(0.98) ? ': ' : random.pick([' : ', ':\t', '', ':\0'])}${value}`);
  const framing = random.next();
  let framed = body;
  if (framing < 0.6) lines.push(`Content-Length: ${body.length}`);
  else if (framing < 0.85) {
    lines.push('Transfer-Encoding: chunked');
    const size = random.chance(0.9)
      ? body.length.toString(16)
      : random.pick(['zz', '-1', 'ffffffffffffffff', '0x1', '']);
    framed = Buffer.concat([
      Buffer.from(`${size}\r\n`),
      body,
      Buffer.from(random.pick(['\r\n0\r\n\r\n', '\r\n0\r\nx-trailer: 1\r\n\r\n', '\r\n', ''])),
    ]);
  } else if (framing < 0.9) lines.push(`Content-Length: ${body.length}`, 'Transfer-Encoding: chunked');
  else if (framing < 0.95) lines.push(`Content-Length: ${body.length + random.pick([1, 1_000_000])}`);
  const one = Buffer.concat([Buffer.from(lines.join(end) + end + end, 'latin1'), framed]);
  // Pipelined, cut off, or with what does not belong there.
  if (random.chance(0.05)) return Buffer.concat([one, one]);
  if (random.chance(0.05)) return one.subarray(0, random.below(one.length + 1));
  if (random.chance(0.03)) return Buffer.concat([random.bytes(random.below(8)), one]);
  return one;
}

const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** HPACK without tables and without Huffman's code (RFC 7541, section 6.2.2): any bytes may stand in a name or value. */
function field(name: string, value: string): Buffer {
  const text = (bytes: Buffer) => {
    if (bytes.length < 127) return Buffer.concat([Buffer.from([bytes.length]), bytes]);
    const length = [127];
    let left = bytes.length - 127;
    for (; left >= 128; left = Math.floor(left / 128)) length.push((left % 128) + 128);
    return Buffer.concat([Buffer.from([...length, left]), bytes]);
  };
  return Buffer.concat([Buffer.from([0]), text(Buffer.from(name, 'latin1')), text(Buffer.from(value, 'latin1'))]);
}

const [dataFrame, headersFrame] = [0, 1];
const endStream = 1;
const endHeaders = 4;

function http2(random: Random): Buffer {
  const frames = [preface, frame(4, 0, 0, random.chance(0.95) ? Buffer.alloc(0) : random.bytes(random.below(12)))];
  const streams = 1 + random.below(4);
  for (let n = 0; n < streams; n += 1) {
    const { method, target, hosts: names, headers, body } = partsOf(random);
    const fields = [
      field(':method', method),
      ...(random.chance(0.97) ? [field(':scheme', random.pick(['http', 'https', 'x']))] : []),
      ...(random.chance(0.97) ? [field(':path', target)] : []),
      ...names.map((host) => field(random.chance(0.9) ? ':authority' : 'host', host)),
      ...headers
        .filter(([name]) => random.chance(0.1) || !/^(connection|transfer-encoding|upgrade|expect)$/.test(name))
        .map(([name, value]) => field(name, value)),
    ];
    const id = random.chance(0.95) ? 2 * n + 1 : random.pick([0, 2, 1, 2 ** 31 - 1]);
    const empty = body.length === 0;
    frames.push(
      frame(headersFrame, endHeaders | (empty ? endStream : 0), id, Buffer.concat(fields).subarray(0, 16_000)),
    );
    if (!empty) frames.push(frame(dataFrame, random.chance(0.9) ? endStream : 0, id, body.subarray(0, 16_000)));
    if (random.chance(0.1))
      frames.push(
        frame(random.pick([3, 3, 8, 5, 6, 7, 9, 99]), random.below(8), id, random.bytes(random.pick([4, 8, 0, 5]))),
      );
  }
  const all = Buffer.concat(frames);
  return random.chance(0.95) ? all : all.subarray(0, random.below(all.length + 1));
}

/** The request of that number of the seed; the same whenever and wherever it is made. */
export function makeRequest(seed: number, index: number): Request {
  const random = createRandom(seed, index);
  // A handshake costs a hundred times what a request does.
  const tls = random.chance(0.02);
  const kind = random.next();
  const isHttp2 = kind < 0.35;
  const bytes = isHttp2 ? http2(random) : kind < 0.97 ? http1(random) : random.bytes(random.below(200));
  return {
    tls,
    alpn: isHttp2 ? 'h2' : 'http/1.1',
    bytes,
    ending: random.chance(0.85) ? 'read' : random.pick(['half-close', 'reset'] as const),
  };
}
