import { expect, it } from 'vitest';
import { parseByteSize } from './byte-size.ts';

it.each([
  ['256m', 256 * 1024 ** 2],
  ['1.5G', 1.5 * 1024 ** 3],
  ['512 KiB', 512 * 1024],
  ['2gb', 2 * 1024 ** 3],
  ['100b', 100],
  [' 1k ', 1024],
])('%s is %i bytes', (text, bytes) => {
  expect(parseByteSize(text)).toEqual({ bytes, hasUnit: true });
});

it('a number alone is bytes, and says that it has no unit', () => {
  expect(parseByteSize('4096')).toEqual({ bytes: 4096, hasUnit: false });
});

it.each(['', 'm', '-1m', '1e3m', '1t', '1mm', '0x10k', '1,5g', '9999999999999g', 'Infinity'])(
  '%j is no size',
  (text) => {
    expect(parseByteSize(text)).toBeUndefined();
  },
);
