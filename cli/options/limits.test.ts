import { expect, it } from 'vitest';
import { parseLimitOptions } from './limits.ts';

it.each<[string, bigint]>([
  ['256m', 268_435_456n],
  ['256M', 268_435_456n],
  ['256mb', 268_435_456n],
  ['256MiB', 268_435_456n],
  ['1g', 1_073_741_824n],
  ['0.5g', 536_870_912n],
  ['1048576k', 1_073_741_824n],
  ['33554432b', 33_554_432n],
])('--memory %s is %s bytes', (memory, memoryBytes) => {
  expect(parseLimitOptions({ memory, cpus: undefined })).toEqual({ memoryBytes, cpuMillis: 0, diskBytes: 0n });
});

it.each<[string, number]>([
  ['0.5', 500],
  ['.25', 250],
  ['2', 2000],
  ['1.5', 1500],
])('--cpus %s is %i thousandths of a core', (cpus, cpuMillis) => {
  expect(parseLimitOptions({ memory: undefined, cpus })).toEqual({ memoryBytes: 0n, cpuMillis, diskBytes: 0n });
});

it('--disk takes sizes as --memory does', () => {
  const of = (disk: string) => parseLimitOptions({ memory: undefined, cpus: undefined, disk });
  expect(of('2g')).toEqual({ memoryBytes: 0n, cpuMillis: 0, diskBytes: 2_147_483_648n });
  expect(of('default')?.diskBytes).toBe(0n);
  expect(() => of('2')).toThrow('--disk takes a number with a unit.');
});

it('asks for nothing when nothing is given', () => {
  expect(parseLimitOptions({ memory: undefined, cpus: undefined })).toBeUndefined();
});

it.each(['256', '', 'm', '-1m', '0m', '1e3m', '1t', '999999999999g', 'NaN'])('--memory %j is refused', (memory) => {
  expect(() => parseLimitOptions({ memory, cpus: undefined })).toThrow('--memory takes a number with a unit.');
});

it.each(['', '0', '-1', '0,5', '1e3', '50%', '0.0001', 'Infinity'])('--cpus %j is refused', (cpus) => {
  expect(() => parseLimitOptions({ memory: undefined, cpus })).toThrow('--cpus takes a number of cores above zero.');
});
