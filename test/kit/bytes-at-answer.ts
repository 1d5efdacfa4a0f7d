/** Counts the bytes that the servers of this process had read from a connection when they began each answer. */
import http from 'node:http';
import http2 from 'node:http2';

/** What the responses of HTTP/1.1 and HTTP/2 have in common. */
interface Answering {
  readonly req: { readonly socket: { readonly bytesRead: number } };
}

export interface BytesAtAnswers {
  /** One for each answer, in order. The reader empties it. */
  readonly counts: number[];
  [Symbol.dispose](): void;
}

export function countBytesAtAnswers(): BytesAtAnswers {
  const counts: number[] = [];
  const prototypes: readonly object[] = [http.ServerResponse.prototype, http2.Http2ServerResponse.prototype];
  const restores = prototypes.map((prototype) => {
    const original: (...args: unknown[]) => unknown = Reflect.get(prototype, 'writeHead');
    Reflect.set(prototype, 'writeHead', function (this: Answering, ...args: unknown[]) {
      counts.push(this.req.socket.bytesRead);
      return original.apply(this, args);
    });
    return () => Reflect.set(prototype, 'writeHead', original);
  });
  return {
    counts,
    [Symbol.dispose]() {
      for (const restore of restores) restore();
    },
  };
}

/** Sends pieces of a body over an HTTP/2 connection of its own until the answer begins; returns its status. */
export function overHttp2(
  url: string,
  path: string,
  headers: Readonly<Record<string, string>>,
  piece: Uint8Array,
): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const session = http2.connect(url);
    session.on('error', reject);
    const stream = session.request({ ':method': 'POST', ':path': path, ...headers });
    const send = () => {
      while (!stream.destroyed && !stream.writableEnded) if (!stream.write(piece)) return stream.once('drain', send);
      return undefined;
    };
    stream.on('error', () => undefined);
    stream.once('response', (answer) => {
      session.destroy();
      resolve(answer[':status']);
    });
    send();
  });
}
