/** The limits on disk space that a container was made with, as labels: they outlive the worker. Pure. */
import type { DiskLimits } from './container-runtime.ts';
import type { ContainerLabels } from './labels.ts';

const dataLabel = 'disk_bytes';
const layerLabel = 'layer_bytes';

export const diskLabels = (limits: DiskLimits | undefined): ContainerLabels =>
  limits === undefined ? {} : { [dataLabel]: String(limits.dataBytes), [layerLabel]: String(limits.layerBytes) };

/** Undefined for a container that was made without. */
export function diskLimitsOf(labels: ContainerLabels): DiskLimits | undefined {
  const [dataBytes, layerBytes] = [dataLabel, layerLabel].map((name) => Number(labels[name] || Number.NaN));
  return dataBytes !== undefined && layerBytes !== undefined && dataBytes > 0 && layerBytes > 0
    ? { dataBytes, layerBytes }
    : undefined;
}
