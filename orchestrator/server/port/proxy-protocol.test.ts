import { describe, expect, it } from 'vitest';
import { parseProxyHeader } from './proxy-protocol.ts';

const signature = Buffer.from('\r\n\r\n\0\r\nQUIT\n');
/** Version 2: its command, family and addresses. */
const binary = (command: number, family: number, rest: readonly number[]) =>
  Buffer.concat([signature, Buffer.from([0x20 | command, family, rest.length >> 8, rest.length & 0xff, ...rest])]);
const four = [192, 0, 2, 7, 127, 0, 0, 1, 0x30, 0x39, 0x1f, 0x40];
const six = [0x20, 1, 0x0d, 0xb8, ...Array(11).fill(0), 9, ...Array(16).fill(0), 1, 2, 3, 4];

describe('the header of a proxy', () => {
  it.each<[string, Buffer, object]>([
    [
      'text, IPv4',
      Buffer.from('PROXY TCP4 192.0.2.7 127.0.0.1 12345 8000\r\nGET'),
      { bytes: 43, address: '192.0.2.7' },
    ],
    ['text, IPv6', Buffer.from('PROXY TCP6 2001:db8::9 ::1 1 2\r\n'), { bytes: 32, address: '2001:db8::9' }],
    ['text, unknown', Buffer.from('PROXY UNKNOWN\r\n'), { bytes: 15, address: undefined }],
    ['binary, IPv4', binary(1, 0x11, four), { bytes: 28, address: '192.0.2.7' }],
    ['binary, IPv6', binary(1, 0x21, six), { bytes: 52, address: '2001:db8:0:0:0:0:0:9' }],
    [
      'binary, with more behind the addresses',
      binary(1, 0x11, [...four, 4, 0, 0]),
      { bytes: 31, address: '192.0.2.7' },
    ],
    ['binary, of the proxy itself', binary(0, 0, []), { bytes: 16, address: undefined }],
    ['binary, a socket file', binary(1, 0x31, Array(216).fill(0)), { bytes: 232, address: undefined }],
  ])('%s', (_title, bytes, expected) => {
    expect(parseProxyHeader(bytes)).toEqual({ kind: 'header', ...expected });
    const { bytes: length } = expected as { bytes: number };
    for (let cut = 1; cut < length; cut++) expect(parseProxyHeader(bytes.subarray(0, cut)).kind).toBe('more');
  });

  it.each([
    ['none', 'GET / HTTP/1.1\r\n', 'none'],
    ['none, of HTTP/2', 'PRI * HTTP/2.0\r\n', 'none'],
    ['no address', 'PROXY TCP4 localhost 127.0.0.1 1 2\r\n', 'bad'],
    ['no port', 'PROXY TCP4 192.0.2.7\r\n', 'bad'],
    ['without end', `PROXY TCP4 ${'1'.repeat(200)}`, 'bad'],
  ])('%s', (_title, text, kind) => {
    expect(parseProxyHeader(Buffer.from(text)).kind).toBe(kind);
  });

  it('of another version, command or length is bad', () => {
    expect(parseProxyHeader(Buffer.concat([signature, Buffer.from([0x11, 0x11, 0, 0])])).kind).toBe('bad');
    expect(parseProxyHeader(binary(2, 0x11, four)).kind).toBe('bad');
    expect(parseProxyHeader(Buffer.concat([signature, Buffer.from([0x21, 0x11, 0xff, 0xff])])).kind).toBe('bad');
  });
});
