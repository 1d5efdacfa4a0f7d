import { describe, expect, it } from 'vitest';
import { defaultSubnets, freeSubnet, gatewayOf, isPrivatePool, parseSubnetPool, subnetsIn } from './subnets.ts';

describe('a pool of subnets', () => {
  it('is read from text, with 24 bits to a network unless it says otherwise', () => {
    expect(parseSubnetPool('10.217.0.0/16')).toEqual(defaultSubnets);
    expect(parseSubnetPool(' 10.216.0.0/14:26 ')).toMatchObject({ bits: 14, size: 26 });
    expect(parseSubnetPool('192.168.7.128/25')).toMatchObject({ bits: 25, size: 25 });
    expect(subnetsIn(defaultSubnets)).toBe(256);
  });

  it.each([
    '',
    'x',
    '10.0.0.0',
    '10.0.0.0/33',
    '10.0.0.0/7',
    '10.0.0.1/16',
    '10.0.0.0/16:15',
    '10.0.0.0/16:30',
    '10.0.0.256/16',
    'fd00::/48',
  ])('is not %j', (text) => {
    expect(parseSubnetPool(text)).toBeUndefined();
  });

  it('knows what is private', () => {
    const pools = ['10.0.0.0/8', '172.16.0.0/12', '172.0.0.0/8', '192.168.0.0/16', '192.0.0.0/9', '198.51.100.0/24'];
    const found = pools.map((text) => {
      const pool = parseSubnetPool(text);
      return pool !== undefined && isPrivatePool(pool);
    });
    expect(found).toEqual([true, true, false, true, false, false]);
  });

  it('puts the bridge at the first address', () => {
    expect(gatewayOf('10.217.3.0/24')).toBe('10.217.3.1');
  });

  it('gives the first range that meets no other', () => {
    expect(freeSubnet(defaultSubnets, [])).toBe('10.217.0.0/24');
    expect(freeSubnet(defaultSubnets, ['10.217.0.0/23', '10.217.2.7/32', 'fd00::/8', '', 'odd/1'])).toBe(
      '10.217.3.0/24',
    );
    expect(freeSubnet(defaultSubnets, ['10.0.0.0/8'])).toBeUndefined();
    expect(freeSubnet(defaultSubnets, ['0.0.0.0/0'])).toBeUndefined();
  });
});
