/**
 * Whether an address speaks HTTP/2. A proxy in front of the orchestrator may speak HTTP/1.1 alone, and a stream cannot be
 * tried on both: what it has already sent is gone.
 */
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls, TLSSocket } from 'node:tls';

const limitMs = 5000;
// RFC 9113, section 3.4: the preface and an empty SETTINGS frame, which are answered with the other side's SETTINGS.
const hello = Buffer.concat([
  Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]),
]);
const settingsFrame = 4;

/** Nothing of the user's is sent. Never rejects: true when it cannot be found out, and then the stream itself says why. */
export function speaksHttp2(url: string): Promise<boolean> {
  const { protocol, hostname, port } = new URL(url);
  const host = hostname.replace(/^\[|\]$/g, '');
  return new Promise((resolve) => {
    const end = (speaks: boolean) => {
      socket.destroy();
      resolve(speaks);
    };
    const socket: Socket =
      protocol === 'https:'
        ? connectTls({ host, port: Number(port || 443), ALPNProtocols: ['h2', 'http/1.1'] })
        : connectTcp({ host, port: Number(port || 80) }, () => socket.write(hello));
    if (socket instanceof TLSSocket) socket.once('secureConnect', () => end(socket.alpnProtocol === 'h2'));
    socket.setTimeout(limitMs, () => end(true));
    let head = Buffer.alloc(0);
    socket.on('data', (data: Buffer) => {
      head = Buffer.concat([head, data]);
      if (head.length >= 4) end(head[3] === settingsFrame);
    });
    socket.once('error', () => end(true));
    // Closed without a word: it did not like the preface.
    socket.once('close', () => end(protocol === 'https:'));
  });
}
