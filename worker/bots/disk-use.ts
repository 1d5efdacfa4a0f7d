/** What is made of how much a bot has written. Pure. */
import { overDiskReason } from '#common/over-disk.ts';
import type { ContainerFacts, DiskLimits, DiskMeasure } from '../runtime/container-runtime.ts';
import { filesMaxOf, sizedTolerance } from '../runtime/disk-limits.ts';

export type DiskVerdict =
  | { readonly kind: 'fits' }
  /** It is over a limit that it did not have when it was made: its user is warned, and it keeps running. */
  | { readonly kind: 'warned'; readonly text: string }
  /** `inLayer`: a new container begins without what it has written. */
  | { readonly kind: 'exceeded'; readonly reason: string; readonly inLayer: boolean };

export interface DiskJudged {
  readonly measure: DiskMeasure;
  readonly limits: DiskLimits;
  /** The container was made without these limits. */
  readonly isFromBefore: boolean;
}

const places = {
  data: { where: 'in /data', cure: 'delete what it does not need, or give it more, for example with --disk' },
  layer: {
    where: 'outside /data (in its own file system, /tmp included)',
    cure: 'keep files in /data, which is kept; what it wrote elsewhere is deleted at the next start',
  },
} as const;

export function judgeDisk({ measure, limits, isFromBefore }: DiskJudged): DiskVerdict {
  const { isSized, isOld, uncountable } = measure;
  const data = limits.dataBytes * (isSized ? sizedTolerance : 1);
  const found =
    overLimit('data', measure.dataBytes, data, limits.dataBytes, measure.dataFiles) ??
    overLimit('layer', measure.layerBytes, limits.layerBytes, limits.layerBytes, measure.layerFiles) ??
    (uncountable && { place: uncountable, text: 'has so many files that they cannot be counted' });
  if (found === undefined) return { kind: 'fits' };
  const { place } = found;
  const { where, cure } = places[place];
  const more = place === 'data' ? ` ${enoughMib(measure, limits)}m` : '';
  const said = `${found.text} ${where}`;
  if (isFromBefore || (place === 'data' && isOld)) {
    return {
      kind: 'warned',
      text: `it ${said}: it is not stopped, because it was made before there was a limit; ${cure}${more}`,
    };
  }
  return { kind: 'exceeded', reason: overDiskReason(`${said}: ${cure}${more}`), inLayer: place === 'layer' };
}

function overLimit(place: keyof typeof places, bytes: number, most: number, limit: number, files: number) {
  const filesMax = filesMaxOf(most);
  if (bytes > most) return { place, text: `has written ${sizeText(bytes)} of ${sizeText(limit)}` };
  return files > filesMax ? { place, text: `has more than ${filesMax} files` } : undefined;
}

const mib = 1024 * 1024;

/** What to propose: twice the limit, and in any case more than it has. */
const enoughMib = (measure: DiskMeasure, limits: DiskLimits): number =>
  Math.ceil(Math.max(2 * limits.dataBytes, 1.5 * measure.dataBytes) / mib);

const sizeText = (bytes: number): string =>
  bytes >= 1024 * mib ? `${(bytes / (1024 * mib)).toFixed(1)} GiB` : `${Math.ceil(bytes / mib)} MiB`;

/**
 * What is reported, rounded up, because each report is written down: to a power of two of MiB, and from a twentieth of the limit on to
 * twentieths.
 */
export function shownDisk({ measure, limits }: DiskJudged) {
  const stepped = (bytes: number, limit: number) => {
    const step = Math.max(mib, Math.floor(limit / 20));
    let small = mib;
    while (small < bytes && small < step) small *= 2;
    const rounded = small < step ? small : Math.ceil(bytes / step) * step;
    return BigInt(bytes <= limit ? Math.min(rounded, limit) : rounded);
  };
  return {
    dataBytes: stepped(measure.dataBytes, limits.dataBytes),
    dataLimitBytes: BigInt(limits.dataBytes),
    layerBytes: stepped(measure.layerBytes, limits.layerBytes),
    layerLimitBytes: BigInt(limits.layerBytes),
  };
}

/** The limits of a container: those of the version that runs in it, or else those that it was made with. */
export const limitsOf = (facts: ContainerFacts, ofSpec: DiskLimits | undefined): DiskLimits | undefined =>
  ofSpec ?? facts.disk;
