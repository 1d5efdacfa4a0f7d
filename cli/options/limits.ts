/** `--memory 256m`, `--disk 2g` and `--cpus 0.5`. Pure. What is allowed, the orchestrator says. */
import { complain } from '../failures/errors.ts';
import { exitCodes } from '../failures/exit-codes.ts';
import { isDefault } from './spec-words.ts';

export interface LimitOptions {
  readonly memory: string | undefined;
  readonly cpus: string | undefined;
  readonly disk?: string | undefined;
}

export interface Limits {
  /** Zero is the worker's default. */
  readonly memoryBytes: bigint;
  readonly cpuMillis: number;
  readonly diskBytes: bigint;
}

const units: Readonly<Record<string, number>> = { b: 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 };

/** Undefined when neither is given; a limit that is to be the default again is zero. Throws CliError. */
export function parseLimitOptions({ memory, cpus, disk }: LimitOptions): Limits | undefined {
  if (memory === undefined && cpus === undefined && disk === undefined) return undefined;
  return {
    memoryBytes: memory === undefined || isDefault(memory) ? 0n : parseSize('--memory', memory, '256m'),
    cpuMillis: cpus === undefined || isDefault(cpus) ? 0 : parseCpus(cpus),
    diskBytes: disk === undefined || isDefault(disk) ? 0n : parseSize('--disk', disk, '512m'),
  };
}

/** Units as Docker has them: 1k is 1024 bytes. A number alone would be bytes there, and megabytes to most people. */
function parseSize(option: string, text: string, example: string): bigint {
  const match = /^(\d{1,12}(?:\.\d{1,6})?) ?([bkmg])(?:i?b)?$/i.exec(text.trim());
  const bytes = Math.round(Number(match?.[1]) * (units[match?.[2]?.toLowerCase() ?? ''] ?? Number.NaN));
  if (bytes > 0 && bytes <= Number.MAX_SAFE_INTEGER) return BigInt(bytes);
  throw wrong(`${option} takes a number with a unit.`, `For example ${option} ${example} or ${option} 1g.`);
}

function parseCpus(text: string): number {
  const millis = /^\d{1,4}(\.\d{1,6})?$|^\.\d{1,6}$/.test(text.trim()) ? Math.round(Number(text) * 1000) : 0;
  if (millis > 0) return millis;
  throw wrong('--cpus takes a number of cores above zero.', 'For example --cpus 0.5.');
}

const wrong = (message: string, hint: string) => complain(exitCodes.usage, 'INVALID_RESOURCE_LIMITS', message, hint);
