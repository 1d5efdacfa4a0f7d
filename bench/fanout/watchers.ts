/**
 * Watchers that cost next to nothing themselves, so that what is measured is the server: streams of HTTP/2, many on each
 * connection, that count frames of gRPC by their heads and decode nothing; and readers of Server-Sent Events.
 */
import http from 'node:http';
import http2 from 'node:http2';

export interface Watchers {
  readonly count: number;
  /** Called with the number of a watcher for its first frame, and then for each one. */
  readonly onFrame: (index: number, isFirst: boolean) => void;
  readonly authorization: string;
  readonly signal: AbortSignal;
  /** Streams of HTTP/2 on each connection. */
  readonly perConnection: number;
}

/** POST `path` with an empty message, on a stream for each watcher. Throws what ends one of them early. */
export function watchOverHttp2(
  url: string,
  path: string,
  { count, perConnection, onFrame, authorization, signal }: Watchers,
): void {
  for (let from = 0; from < count; from += perConnection) {
    const session = http2.connect(url);
    signal.addEventListener('abort', () => session.destroy());
    session.on('error', (error) => endedEarly(signal, error));
    for (let index = from; index < Math.min(count, from + perConnection); index++) {
      const stream = session.request({
        ':method': 'POST',
        ':path': path,
        'content-type': 'application/grpc',
        te: 'trailers',
        authorization,
      });
      stream.end(Buffer.alloc(5));
      const frames = frameCounter();
      let seen = 0;
      stream.on('data', (chunk: Buffer) => {
        for (let n = frames(chunk); n > 0; n--) onFrame(index, seen++ === 0);
      });
      stream.on('error', (error) => endedEarly(signal, error));
      stream.on('close', () => endedEarly(signal, new Error(`stream ${index} ended`)));
    }
  }
}

// What is smaller only moves the place to resume from, which a server does whenever it is quiet.
const eventMinBytes = 100;

/** How many frames of gRPC that hold an event end in each chunk. */
function frameCounter(): (chunk: Buffer) => number {
  let rest: Buffer = Buffer.alloc(0);
  return (chunk) => {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let at = 0;
    let count = 0;
    while (bytes.length - at >= 5 && bytes.length - at >= 5 + bytes.readUInt32BE(at + 1)) {
      const size = bytes.readUInt32BE(at + 1);
      at += 5 + size;
      if (size >= eventMinBytes) count++;
    }
    rest = bytes.subarray(at);
    return count;
  };
}

/** GET `path`, a connection of HTTP/1.1 for each watcher. */
export function watchOverSse(url: string, path: string, { count, onFrame, authorization, signal }: Watchers): void {
  for (let index = 0; index < count; index++) {
    const request = http.get(`${url}${path}`, { headers: { authorization }, agent: false, signal }, (response) => {
      let seen = 0;
      let line = '';
      response.setEncoding('utf8').on('data', (text: string) => {
        const lines = (line + text).split('\n');
        line = lines.pop() ?? '';
        for (const each of lines) if (each.startsWith('event: ')) onFrame(index, seen++ === 0);
      });
      response.once('error', (error) => endedEarly(signal, error));
      response.once('end', () => endedEarly(signal, new Error(`stream ${index} ended`)));
    });
    request.once('error', (error) => endedEarly(signal, error));
  }
}

function endedEarly(signal: AbortSignal, error: Error): void {
  if (!signal.aborted) throw error;
}
