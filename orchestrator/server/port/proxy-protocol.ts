/**
 * The header with which a proxy that passes connections on says whose they are: the PROXY protocol, versions 1 and 2
 * (https://www.haproxy.org/download/1.8/doc/proxy-protocol.txt). Pure.
 */

export type ProxyHeader =
  /** Too few bytes to decide. */
  | { readonly kind: 'more' }
  | { readonly kind: 'none' }
  | { readonly kind: 'bad' }
  /** `address` is undefined for a connection of the proxy's own, such as a health check. */
  | { readonly kind: 'header'; readonly bytes: number; readonly address: string | undefined };

const text = Buffer.from('PROXY ');
const textMaxBytes = 107;
const signature = Buffer.from('\r\n\r\n\0\r\nQUIT\n');
const fixedBytes = 16;
// Addresses and what may follow them; no proxy sends more than a few hundred.
const restMaxBytes = 4096;

const begins = (head: Buffer, word: Buffer): boolean =>
  head.subarray(0, word.length).equals(word.subarray(0, head.length));

export function parseProxyHeader(head: Buffer): ProxyHeader {
  if (begins(head, signature)) return head.length < fixedBytes ? { kind: 'more' } : parseBinary(head);
  if (!begins(head, text)) return { kind: 'none' };
  return parseText(head);
}

function parseText(head: Buffer): ProxyHeader {
  const end = head.subarray(0, textMaxBytes).indexOf('\r\n');
  if (end < 0) return head.length < textMaxBytes ? { kind: 'more' } : { kind: 'bad' };
  const [, family, source, , port] = head.toString('latin1', 0, end).split(' ');
  const bytes = end + 2;
  if (family === 'UNKNOWN') return { kind: 'header', bytes, address: undefined };
  const isKnown = (family === 'TCP4' || family === 'TCP6') && source !== undefined && /^\d{1,5}$/.test(port ?? '');
  return isKnown && /^[0-9A-Fa-f:.]{2,45}$/.test(source) ? { kind: 'header', bytes, address: source } : { kind: 'bad' };
}

function parseBinary(head: Buffer): ProxyHeader {
  const [versionAndCommand = 0, family = 0] = head.subarray(12, 14);
  const length = head.readUInt16BE(14);
  if (versionAndCommand >> 4 !== 2 || length > restMaxBytes) return { kind: 'bad' };
  const bytes = fixedBytes + length;
  if (head.length < bytes) return { kind: 'more' };
  const rest = head.subarray(fixedBytes, bytes);
  const command = versionAndCommand & 0x0f;
  if (command === 0) return { kind: 'header', bytes, address: undefined };
  if (command !== 1) return { kind: 'bad' };
  if (family >> 4 === 1 && length >= 12) return { kind: 'header', bytes, address: [...rest.subarray(0, 4)].join('.') };
  if (family >> 4 === 2 && length >= 36) return { kind: 'header', bytes, address: sixOf(rest) };
  return { kind: 'header', bytes, address: undefined };
}

const sixOf = (bytes: Buffer): string =>
  Array.from({ length: 8 }, (_, group) => bytes.readUInt16BE(2 * group).toString(16)).join(':');
