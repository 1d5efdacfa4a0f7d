import { describe, expect, it } from 'vitest';
import { addressKey, parseTrustedProxies, plainAddress, visitorAddress } from './addresses.ts';

describe('TRUSTED_PROXIES', () => {
  it('takes addresses and blocks of both families', () => {
    const isProxy = parseTrustedProxies('127.0.0.1, 10.0.0.0/8,[::1],fd00::/8');
    const all = [
      '127.0.0.1',
      '::ffff:10.1.2.3',
      '10.255.0.1',
      '::1',
      'fd12::1',
      '127.0.0.2',
      '11.0.0.1',
      '2001:db8::1',
      '',
    ];
    expect(all.map((address) => isProxy?.(address))).toEqual([
      true,
      true,
      true,
      true,
      true,
      false,
      false,
      false,
      false,
    ]);
  });

  it.each(['localhost', '10.0.0.0/33', '10.0.0.0/8/8', '10.0.0.0/x', '10.0.0', '*'])('does not take %s', (text) => {
    expect(parseTrustedProxies(text)).toBeUndefined();
  });

  it('is empty unless set', () => {
    expect(parseTrustedProxies('')?.('127.0.0.1')).toBe(false);
  });
});

describe('the address of a request', () => {
  const isProxy = parseTrustedProxies('10.0.0.0/8,127.0.0.1') ?? (() => false);

  it.each([
    ['of a stranger that says it is another', '192.0.2.1', '203.0.113.9', '192.0.2.1'],
    ['of one behind a proxy', '127.0.0.1', '203.0.113.9', '203.0.113.9'],
    ['of one behind a proxy, with a port', '127.0.0.1', '203.0.113.9:1234', '203.0.113.9'],
    ['of one behind a proxy, IPv6 with a port', '127.0.0.1', '[2001:db8::1]:1234', '2001:db8::1'],
    ['of one behind two', '127.0.0.1', '203.0.113.9, 10.0.0.7', '203.0.113.9'],
    ['of one behind a proxy who says more', '127.0.0.1', '198.51.100.1, 203.0.113.9', '203.0.113.9'],
    ['of a proxy that says nothing', '127.0.0.1', undefined, '127.0.0.1'],
    ['of a proxy that says what is none', '127.0.0.1', 'unknown', '127.0.0.1'],
  ])('%s', (_title, connected, forwarded, expected) => {
    expect(visitorAddress(connected, forwarded, isProxy)).toBe(expected);
  });

  it('is counted whole in IPv4, and by its /64 in IPv6', () => {
    expect(
      ['192.0.2.1', '::ffff:192.0.2.1', '2001:db8:0:1::5', '2001:db8:0:1:9:9:9:9', 'fe80::1%eth0', '::1'].map(
        addressKey,
      ),
    ).toEqual(['192.0.2.1', '192.0.2.1', '2001:db8:0:1::/64', '2001:db8:0:1::/64', 'fe80:0:0:0::/64', '0:0:0:0::/64']);
    expect(plainAddress('::ffff:192.0.2.1')).toBe('192.0.2.1');
  });
});
