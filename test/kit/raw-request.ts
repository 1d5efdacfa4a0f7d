/** Requests byte by byte over a socket: what no client would send, and how much of a body was taken before the answer. */
import net from 'node:net';

export interface RawAnswer {
  /** Everything that came back. */
  readonly text: string;
  readonly status: number;
  /** How much of the body the other side had taken when the answer came. */
  readonly bodyBytesSent: number;
}

/**
 * Sends a head and then, piece by piece, a body of `bodyBytes`, as fast as it is taken. Resolves with the first answer.
 * The body is zeros unless `piece` is given, which is repeated.
 */
export function rawRequest(
  port: number,
  head: string,
  { bodyBytes = 0, piece = Buffer.alloc(64 * 1024), host = '127.0.0.1' } = {},
): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, host);
    let text = '';
    let sent = 0;
    const send = () => {
      while (sent < bodyBytes && text === '') {
        const next = piece.subarray(0, bodyBytes - sent);
        sent += next.length;
        if (!socket.write(next)) return socket.once('drain', send);
      }
      return undefined;
    };
    socket.once('connect', () => {
      socket.write(Buffer.from(head, 'latin1'));
      send();
    });
    socket.on('data', (data) => {
      text += data.toString('latin1');
      if (/\r\n\r\n/.test(text)) socket.destroy();
    });
    socket.on('close', () => {
      const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(text)?.[1] ?? 0);
      resolve({ text, status, bodyBytesSent: socket.bytesWritten - head.length - socket.writableLength });
    });
    socket.on('error', (error) => (text === '' ? reject(error) : undefined));
  });
}
