/** What a connection begins with: the word of a trusted proxy about whose it is, and, in cleartext, which version of HTTP it speaks. */
import type { Socket } from 'node:net';
import { later } from '#common/background.ts';
import { parseProxyHeader } from './proxy-protocol.ts';

// The beginning of HTTP/2: RFC 9113, section 3.4.
const preface = Buffer.from('PRI ');

export interface FirstBytesRules {
  /** Whether the peer may send a header of the PROXY protocol. */
  readonly fromProxy: boolean;
  /** Whether to wait until the version of HTTP is known. */
  readonly cleartext: boolean;
  readonly timeoutMs: number;
}

export interface FirstBytes {
  /** As the proxy says. */
  readonly address: string | undefined;
  readonly isHttp2: boolean;
}

/** Calls `begin` once, when it is known; all bytes but the proxy's header are still to be read then. A socket that sends too little is ended. */
export function readFirstBytes(socket: Socket, rules: FirstBytesRules, begin: (first: FirstBytes) => void): void {
  if (!rules.cleartext && !rules.fromProxy) {
    begin({ address: undefined, isHttp2: false });
    return;
  }
  const cancel = later(rules.timeoutMs, () => socket.destroy());
  let head = Buffer.alloc(0);
  const decide = () => {
    const bytes: Buffer | null = socket.read();
    if (bytes !== null) head = Buffer.concat([head, bytes]);
    const found = read(head, rules);
    // Bytes are only given back once they decide: given back earlier, they would be "readable" again at once, endlessly.
    if (found === 'more') {
      socket.once('readable', decide);
      return;
    }
    cancel();
    if (found === 'bad') {
      socket.destroy();
      return;
    }
    if (found.rest.length > 0) socket.unshift(found.rest);
    begin(found);
  };
  socket.once('readable', decide);
  socket.once('close', cancel);
}

function read(
  head: Buffer,
  { fromProxy, cleartext }: FirstBytesRules,
): (FirstBytes & { readonly rest: Buffer }) | 'more' | 'bad' {
  let address: string | undefined;
  let rest = head;
  if (fromProxy) {
    const header = parseProxyHeader(head);
    if (header.kind === 'more' || header.kind === 'bad') return header.kind;
    if (header.kind === 'header') {
      address = header.address;
      rest = head.subarray(header.bytes);
    }
  }
  if (!cleartext) return { address, isHttp2: false, rest };
  if (rest.length < preface.length && preface.subarray(0, rest.length).equals(rest)) return 'more';
  return { address, isHttp2: rest.subarray(0, preface.length).equals(preface), rest };
}
