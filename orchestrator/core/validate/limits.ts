/** resource_limits of a request, bounded by the operator. Pure. */
import { fail, ok, problem, type Result } from '#common/problem.ts';
import { type Bounds, type LimitsRequest, stopSignals } from './bot-request.ts';
import { examples } from './examples.ts';

// Docker refuses less than 6 MB; Python does not start in less than about 16.
const minMemoryMb = 16;
const minCpuCores = 0.01;
// A file system of its own takes a few MB for itself.
const minDiskMb = 16;
// The engine's init, a shell and an interpreter with its threads.
const minPids = 16;
/** In seconds; a worker waits no longer. */
const stopGraceBounds = { min: 1, max: 300 } as const;
const mib = 1024 * 1024;

/** The fields of "resource_limits". */
export const limitFields = ['memory_mb', 'cpu_cores', 'disk_mb', 'pids', 'stop_grace_seconds', 'stop_signal'] as const;
type LimitField = (typeof limitFields)[number];

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
  let limits: LimitsRequest = {};
  for (const [name, amount] of Object.entries(value)) {
    const field = limitFields.find((known) => known === name);
    if (field === undefined) {
      return refusal(
        `${JSON.stringify(name.slice(0, 40))} is not a known limit.`,
        name.slice(0, 40),
        `Only ${limitFields.slice(0, -1).join(', ')} and ${limitFields.at(-1)} can be set.`,
      );
    }
    const parsed = parseField(field, amount, bounds);
    if (!parsed.ok) return parsed;
    limits = { ...limits, ...parsed.value };
  }
  return ok(limits);
}

function parseField(field: LimitField, amount: unknown, bounds: Bounds): Result<LimitsRequest> {
  const whole = (min: number, max: number, of: (value: number) => LimitsRequest): Result<LimitsRequest> =>
    typeof amount === 'number' && Number.isInteger(amount) && amount >= min && amount <= max
      ? ok(of(amount))
      : refusal(`${field} is out of bounds.`, field, `Give a whole number from ${min} to ${max}.`);
  switch (field) {
    case 'memory_mb': {
      const max = Math.floor(bounds.maxMemoryBytes / mib);
      return whole(minMemoryMb, max, (mb) => ({ memoryBytes: mb * mib }));
    }
    case 'cpu_cores': {
      const max = bounds.maxCpuMillis / 1000;
      return typeof amount === 'number' && amount >= minCpuCores && amount <= max
        ? ok({ cpuMillis: Math.round(amount * 1000) })
        : refusal('cpu_cores is out of bounds.', field, `Give a number from ${minCpuCores} to ${max}.`);
    }
    case 'disk_mb':
      return whole(minDiskMb, Math.floor(bounds.maxDiskBytes / mib), (mb) => ({ diskBytes: mb * mib }));
    case 'pids':
      return whole(minPids, bounds.maxPids, (pids) => ({ pids }));
    case 'stop_grace_seconds':
      return whole(stopGraceBounds.min, stopGraceBounds.max, (seconds) => ({ stopGraceMs: seconds * 1000 }));
    case 'stop_signal':
      return parseStopSignal(amount);
  }
}

function parseStopSignal(value: unknown): Result<LimitsRequest> {
  const stopSignal = stopSignals.find((known) => known === value);
  if (stopSignal !== undefined) return ok({ stopSignal });
  return refusal('stop_signal is not a signal that a bot can be ended with.', 'stop_signal', signalsHint);
}

const signalsHint = `Use one of: ${stopSignals.join(', ')}.`;

/** Limits as they come in a spec: bytes, millis and text; zero and empty mean the default. */
export interface RawLimits {
  readonly memoryBytes?: number;
  readonly cpuMillis?: number;
  readonly diskBytes?: number;
  readonly pids?: number;
  readonly stopGraceMs?: number;
  readonly stopSignal?: string;
}

interface Range {
  readonly min: number;
  readonly max: number;
  readonly field: string;
  readonly what: string;
  /** One that may be asked for, in words. */
  readonly ask: string;
}

/** The same bounds for limits that come as numbers of bytes and millis. */
export function checkLimits(limits: RawLimits, bounds: Bounds): Result<LimitsRequest> {
  const { memoryBytes = 0, cpuMillis = 0, diskBytes = 0, pids = 0, stopGraceMs = 0, stopSignal = '' } = limits;
  const inMb = (min: number, maxBytes: number) =>
    `Ask for ${min} to ${Math.floor(maxBytes / mib)} MB, or leave it out.`;
  const ranges: readonly (Range & { readonly value: number })[] = [
    {
      value: memoryBytes,
      min: minMemoryMb * mib,
      max: bounds.maxMemoryBytes,
      field: 'memory_bytes',
      what: 'memory',
      ask: inMb(minMemoryMb, bounds.maxMemoryBytes),
    },
    {
      value: cpuMillis,
      min: minCpuCores * 1000,
      max: bounds.maxCpuMillis,
      field: 'cpu_millis',
      what: 'number of cores',
      ask: `Ask for ${minCpuCores} to ${bounds.maxCpuMillis / 1000} cores, or leave it out.`,
    },
    {
      value: diskBytes,
      min: minDiskMb * mib,
      max: bounds.maxDiskBytes,
      field: 'disk_bytes',
      what: 'disk space',
      ask: inMb(minDiskMb, bounds.maxDiskBytes),
    },
    {
      value: pids,
      min: minPids,
      max: bounds.maxPids,
      field: 'pids',
      what: 'number of processes',
      ask: `Ask for ${minPids} to ${bounds.maxPids} processes, or leave it out.`,
    },
    {
      value: stopGraceMs,
      min: stopGraceBounds.min * 1000,
      max: stopGraceBounds.max * 1000,
      field: 'stop_grace_ms',
      what: 'time to end',
      ask: `Ask for ${stopGraceBounds.min} to ${stopGraceBounds.max} seconds, or leave it out.`,
    },
  ];
  for (const { value, min, max, field, what, ask } of ranges) {
    if (value !== 0 && !(value >= min && value <= max)) {
      return refusal(`The requested ${what} is out of bounds.`, field, ask);
    }
  }
  const signal = stopSignal === '' ? ok({}) : parseStopSignal(stopSignal);
  if (!signal.ok) return signal;
  return ok({
    ...(memoryBytes === 0 ? {} : { memoryBytes }),
    ...(cpuMillis === 0 ? {} : { cpuMillis }),
    ...(diskBytes === 0 ? {} : { diskBytes }),
    ...(pids === 0 ? {} : { pids }),
    ...(stopGraceMs === 0 ? {} : { stopGraceMs }),
    ...signal.value,
  });
}
