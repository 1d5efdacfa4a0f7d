/** resource_limits of a request, bounded by the operator. Pure. */
import { fail, ok, problem, type Result } from '#common/problem.ts';
import type { Bounds, LimitsRequest } from './bot-request.ts';
import { examples } from './examples.ts';

// Docker refuses less than 6 MB; Python does not start in less than about 16.
const minMemoryMb = 16;
const minCpuCores = 0.01;
// A file system of its own takes a few MB for itself.
const minDiskMb = 16;
const mib = 1024 * 1024;

const refusal = (message: string, field: string, hint: string) =>
  fail(
    problem('INVALID_RESOURCE_LIMITS', message, {
      details: { field: `resource_limits.${field}` },
      hint,
      example: examples.limits,
    }),
  );

export function parseLimits(value: unknown, bounds: Bounds): Result<LimitsRequest> {
  if (value === undefined || value === null) return ok({});
  if (typeof value !== 'object' || Array.isArray(value)) {
    return refusal('resource_limits is not an object.', '', 'Write {"memory_mb": 256, "cpu_cores": 0.5}.');
  }
  const limits: { memoryBytes?: number; cpuMillis?: number; diskBytes?: number } = {};
  for (const [field, amount] of Object.entries(value)) {
    if (field === 'memory_mb') {
      const max = Math.floor(bounds.maxMemoryBytes / mib);
      if (typeof amount !== 'number' || !Number.isInteger(amount) || amount < minMemoryMb || amount > max) {
        return refusal('memory_mb is out of bounds.', field, `Give a whole number from ${minMemoryMb} to ${max}.`);
      }
      limits.memoryBytes = amount * mib;
    } else if (field === 'cpu_cores') {
      const max = bounds.maxCpuMillis / 1000;
      if (typeof amount !== 'number' || !(amount >= minCpuCores && amount <= max)) {
        return refusal('cpu_cores is out of bounds.', field, `Give a number from ${minCpuCores} to ${max}.`);
      }
      limits.cpuMillis = Math.round(amount * 1000);
    } else if (field === 'disk_mb') {
      const max = Math.floor(bounds.maxDiskBytes / mib);
      if (typeof amount !== 'number' || !Number.isInteger(amount) || amount < minDiskMb || amount > max) {
        return refusal('disk_mb is out of bounds.', field, `Give a whole number from ${minDiskMb} to ${max}.`);
      }
      limits.diskBytes = amount * mib;
    } else {
      return refusal(
        `${JSON.stringify(field.slice(0, 40))} is not a known limit.`,
        field.slice(0, 40),
        'Only memory_mb, cpu_cores and disk_mb can be set.',
      );
    }
  }
  return ok(limits);
}

/** The same bounds for limits that come as numbers of bytes and millis; zero means the default. */
export function checkLimits(
  { memoryBytes = 0, cpuMillis = 0, diskBytes = 0 }: LimitsRequest,
  bounds: Bounds,
): Result<LimitsRequest> {
  const minBytes = minMemoryMb * mib;
  if (memoryBytes !== 0 && !(memoryBytes >= minBytes && memoryBytes <= bounds.maxMemoryBytes)) {
    return refusal(
      'The requested memory is out of bounds.',
      'memory_bytes',
      `Ask for ${minMemoryMb} to ${Math.floor(bounds.maxMemoryBytes / mib)} MB, or leave it out.`,
    );
  }
  if (cpuMillis !== 0 && !(cpuMillis >= minCpuCores * 1000 && cpuMillis <= bounds.maxCpuMillis)) {
    return refusal(
      'The requested number of cores is out of bounds.',
      'cpu_millis',
      `Ask for ${minCpuCores} to ${bounds.maxCpuMillis / 1000} cores, or leave it out.`,
    );
  }
  if (diskBytes !== 0 && !(diskBytes >= minDiskMb * mib && diskBytes <= bounds.maxDiskBytes)) {
    return refusal(
      'The requested disk space is out of bounds.',
      'disk_bytes',
      `Ask for ${minDiskMb} to ${Math.floor(bounds.maxDiskBytes / mib)} MB, or leave it out.`,
    );
  }
  return ok({
    ...(memoryBytes === 0 ? {} : { memoryBytes }),
    ...(cpuMillis === 0 ? {} : { cpuMillis }),
    ...(diskBytes === 0 ? {} : { diskBytes }),
  });
}
