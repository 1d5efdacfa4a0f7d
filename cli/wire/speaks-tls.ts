/** Whether an address that hung up on a call in cleartext wants TLS: most servers with TLS hang up without a word. */
import { connect } from 'node:tls';

const limitMs = 3000;

/** Sends nothing of the user's, only a handshake, whatever answers. Never rejects. */
export function speaksTls(url: string): Promise<boolean> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve) => {
    const host = hostname.replace(/^\[|\]$/g, '');
    const socket = connect({ host, port: Number(port || 80), rejectUnauthorized: false, timeout: limitMs });
    const end = (speaks: boolean) => {
      socket.destroy();
      resolve(speaks);
    };
    socket.once('secureConnect', () => end(true));
    socket.once('timeout', () => end(false));
    socket.once('error', () => end(false));
    socket.once('close', () => end(false));
  });
}
