import { expect, it } from 'vitest';
import { isOverDiskReason } from '#common/over-disk.ts';
import { judgeDisk, shownDisk } from './disk-use.ts';

const mib = 1024 * 1024;
const judged = (dataBytes: number, dataLimit: number) => ({
  measure: {
    containerId: 'c',
    dataBytes,
    layerBytes: 4096,
    dataFiles: 1,
    layerFiles: 1,
    isSized: false,
    isOld: false,
    uncountable: undefined,
    tookMs: 1,
  },
  limits: { dataBytes: dataLimit, layerBytes: 1024 * mib },
  isFromBefore: false,
});

it.each([
  [4096, 1024, 1],
  [3 * mib, 1024, 4],
  [33 * mib, 1024, 51.2],
  [40 * mib, 1024, 51.2],
  [52 * mib, 1024, 102.4],
  [1024 * mib, 1024, 1024],
  [0, 16, 0],
  [1.5 * mib, 16, 2],
])('shows %d bytes in /data of a limit of %d MiB as about %d MiB: little for little', (bytes, limit, shown) => {
  const { dataBytes, layerBytes } = shownDisk(judged(bytes, limit * mib));
  expect(Number(dataBytes) / mib).toBeCloseTo(shown, 1);
  expect(layerBytes).toBe(BigInt(mib));
});

it.each([
  [65, '128m'],
  [300, '450m'],
])('proposes for %d MiB of 64 a limit that is enough', (written, proposed) => {
  const verdict = judgeDisk(judged(written * mib, 64 * mib));
  if (verdict.kind !== 'exceeded') throw new Error(verdict.kind);
  expect(verdict.reason).toMatch(new RegExp(`--disk ${proposed}$`));
  expect(isOverDiskReason(verdict.reason)).toBe(true);
});
