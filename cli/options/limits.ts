/** `--memory 256m`, `--disk 2g`, `--cpus 0.5` and the like. Pure. What is allowed, the orchestrator says. */
import { complain } from '../failures/errors.ts';
import { exitCodes } from '../failures/exit-codes.ts';
import { isDefault } from './spec-words.ts';
import { parseDuration } from './timeout.ts';

export interface LimitOptions {
  readonly memory: string | undefined;
  readonly cpus: string | undefined;
  readonly disk?: string | undefined;
  readonly pids?: string | undefined;
  readonly stopGrace?: string | undefined;
  readonly stopSignal?: string | undefined;
}

/** Zero, empty and absent leave a limit as it is. */
export interface Limits {
  readonly memoryBytes: bigint;
  readonly cpuMillis: number;
  readonly diskBytes: bigint;
  readonly pids?: number;
  readonly stopGraceMs?: number;
  readonly stopSignal?: string;
}

const units: Readonly<Record<string, number>> = { b: 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 };

/** Undefined when none is given; a limit that is to be the default again is zero. Throws CliError. */
export function parseLimitOptions(options: LimitOptions): Limits | undefined {
  const { memory, cpus, disk, pids, stopGrace, stopSignal } = options;
  if ([memory, cpus, disk, pids, stopGrace, stopSignal].every((option) => option === undefined)) return undefined;
  const isGiven = (option: string | undefined): option is string => option !== undefined && !isDefault(option);
  return {
    memoryBytes: isGiven(memory) ? parseSize('--memory', memory, '256m') : 0n,
    cpuMillis: isGiven(cpus) ? parseCpus(cpus) : 0,
    diskBytes: isGiven(disk) ? parseSize('--disk', disk, '512m') : 0n,
    ...(isGiven(pids) && { pids: parsePids(pids) }),
    ...(isGiven(stopGrace) && { stopGraceMs: parseStopGrace(stopGrace) }),
    ...(isGiven(stopSignal) && { stopSignal: parseStopSignal(stopSignal) }),
  };
}

/** The limits that go back to their defaults, as in SpecReset. */
export const limitsReset = ({ memory, cpus, disk, pids, stopGrace, stopSignal }: LimitOptions) => ({
  memory: isDefault(memory),
  cpus: isDefault(cpus),
  disk: isDefault(disk),
  pids: isDefault(pids),
  stopGrace: isDefault(stopGrace),
  stopSignal: isDefault(stopSignal),
});

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

function parsePids(text: string): number {
  const pids = /^\d{1,7}$/.test(text.trim()) ? Number(text) : 0;
  if (pids > 0) return pids;
  throw wrong('--pids takes a whole number above zero.', 'For example --pids 256.');
}

function parseStopGrace(text: string): number {
  const ms = parseDuration(text.trim());
  if (ms !== undefined && ms > 0) return ms;
  throw wrong('--stop-grace takes a time, such as 30s or 2m.', 'For example --stop-grace 30s.');
}

/** As docker stop and kill take them: SIGINT, sigint or INT. */
function parseStopSignal(text: string): string {
  const name = text.trim().toUpperCase();
  if (/^(?:SIG)?[A-Z]{2,8}[12]?$/.test(name)) return name.startsWith('SIG') ? name : `SIG${name}`;
  throw wrong('--stop-signal takes the name of a signal.', 'For example --stop-signal SIGINT.');
}

const wrong = (message: string, hint: string) => complain(exitCodes.usage, 'INVALID_RESOURCE_LIMITS', message, hint);
