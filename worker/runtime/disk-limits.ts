/** The limits on disk space: what follows from them, and those that a container was made with, as labels, which outlive the worker. Pure. */
import type { DiskLimits } from './container-runtime.ts';
import type { ContainerLabels } from './labels.ts';

const dataLabel = 'disk_bytes';
const layerLabel = 'layer_bytes';

export const diskLabels = (limits: DiskLimits | undefined): ContainerLabels =>
  limits === undefined ? {} : { [dataLabel]: String(limits.dataBytes), [layerLabel]: String(limits.layerBytes) };

/** One file for so many bytes of a limit, as in the file systems that are made for /data; and so many in any case. */
const bytesPerFile = 8192;
const filesMin = 16_384;

export const filesMaxOf = (bytes: number): number => Math.max(filesMin, Math.floor(bytes / bytesPerFile));

/** A sized volume that was made larger once stays so; what the file system keeps for itself counts too. */
export const sizedTolerance = 1.25;

/** Undefined for a container that was made without. */
export function diskLimitsOf(labels: ContainerLabels): DiskLimits | undefined {
  const [dataBytes, layerBytes] = [dataLabel, layerLabel].map((name) => Number(labels[name] || Number.NaN));
  return dataBytes !== undefined && layerBytes !== undefined && dataBytes > 0 && layerBytes > 0
    ? { dataBytes, layerBytes }
    : undefined;
}
