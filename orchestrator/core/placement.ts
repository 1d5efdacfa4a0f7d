/** Where a bot should run: filters that explain themselves, then bin-packing. Pure. */
import { type Labels, labelsText } from '#common/labels.ts';

export interface Candidate {
  readonly workerId: string;
  readonly ready: boolean;
  /** Why it is not ready, for people. */
  readonly notReadyReason: string;
  /** True: no new containers are made there. Why is for its operator alone. */
  readonly startsRefused: boolean;
  /** How long it has been silent; 0 while that is within bounds. */
  readonly silentMs: number;
  /** True: the operator wants no more bots there. */
  readonly cordoned: boolean;
  /** What it can do, as in Hello: mode.simple, language.node ... */
  readonly capabilities: readonly string[];
  readonly labels: Labels;
  readonly memoryBytes: number;
  readonly cpuMillis: number;
  /** Taken by the other bots that should run there. */
  readonly reservedMemoryBytes: number;
  readonly reservedCpuMillis: number;
}

/** The worker that has the bot's volume and log. */
export interface Home {
  readonly workerId: string;
  /**
   * True while a container may exist there: then the bot waits for it, whatever the objections. False: it only goes there
   * first, and elsewhere if its home can never take it.
   */
  readonly bound: boolean;
}

export interface Wanted {
  readonly memoryBytes: number;
  readonly cpuMillis: number;
  readonly capabilities: readonly string[];
  readonly labels: Labels;
  readonly home: Home | undefined;
  /** True when it may do with the container that it has. */
  readonly keepsContainer?: boolean;
}

export type Placement =
  | { readonly placed: true; readonly workerId: string }
  | { readonly placed: false; readonly reason: string };

// CPU is a share, not a reservation: several times as many bots fit as there are cores.
const cpuOvercommit = 4;

/** What waiting does not change. */
function lastingObjection(worker: Candidate, { capabilities, labels }: Wanted): string | undefined {
  const lacking = capabilities.filter((name) => !worker.capabilities.includes(name));
  if (lacking.length > 0) return `${worker.workerId} cannot do ${lacking.join(', ')}`;
  const missing = Object.entries(labels).filter(([key, value]) => labelOf(worker.labels, key) !== value);
  if (missing.length > 0) return `${worker.workerId} is not labelled ${labelsText(Object.fromEntries(missing))}`;
  return undefined;
}

/** An own key only: labels are named by people. */
const labelOf = (labels: Labels, key: string): string | undefined =>
  Object.hasOwn(labels, key) ? labels[key] : undefined;

/** Whether any of the workers carries all the labels; true without labels. */
export const anyCarries = (workers: readonly { readonly labels: Labels }[], wanted: Labels): boolean =>
  Object.keys(wanted).length === 0 ||
  workers.some(({ labels }) => Object.entries(wanted).every(([key, value]) => labelOf(labels, key) === value));

/** The present objections to the worker. */
function passingObjection(worker: Candidate, wanted: Wanted): string | undefined {
  const { workerId } = worker;
  if (worker.silentMs > 0) return `${workerId} has not been heard from for ${Math.round(worker.silentMs / 1000)} s`;
  if (!worker.ready) return `${workerId} is not ready (${worker.notReadyReason || 'no reason given'})`;
  if (worker.startsRefused && wanted.keepsContainer !== true) {
    return `${workerId} starts no new bots now, because one of its safety checks fails`;
  }
  const freeMemory = worker.memoryBytes - worker.reservedMemoryBytes;
  if (freeMemory < wanted.memoryBytes) {
    const mb = (bytes: number) => Math.round(bytes / 1024 / 1024);
    return `${workerId} has ${Math.max(0, mb(freeMemory))} of ${mb(worker.memoryBytes)} MiB free, ${mb(wanted.memoryBytes)} are needed`;
  }
  if (worker.cpuMillis * cpuOvercommit - worker.reservedCpuMillis < wanted.cpuMillis) {
    return `${workerId} has no CPU left`;
  }
  return undefined;
}

const objection = (worker: Candidate, wanted: Wanted): string | undefined =>
  lastingObjection(worker, wanted) ?? passingObjection(worker, wanted);

/** The objections to a worker that the bot is not on. */
const newcomerObjection = (worker: Candidate, wanted: Wanted): string | undefined =>
  worker.cordoned ? `${worker.workerId} is cordoned` : objection(worker, wanted);

/** Chooses the fullest worker that still has room, so that large bots find room elsewhere. */
export function planPlacement(workers: readonly Candidate[], wanted: Wanted): Placement {
  const { home } = wanted;
  if (home === undefined) return fullest(workers, wanted);
  const worker = workers.find(({ workerId }) => workerId === home.workerId);
  const away = `worker ${home.workerId}, which has the bot, is not connected`;
  if (worker === undefined) return { placed: false, reason: away };
  const lasting = lastingObjection(worker, wanted);
  if (home.bound && lasting !== undefined) {
    return { placed: false, reason: `${lasting}, and has the bot: stop it first, then start it` };
  }
  if (!home.bound && (worker.cordoned || lasting !== undefined)) return fullest(workers, wanted);
  const reason = passingObjection(worker, wanted);
  return reason === undefined ? { placed: true, workerId: home.workerId } : { placed: false, reason };
}

function fullest(workers: readonly Candidate[], wanted: Wanted): Placement {
  if (workers.length === 0) return { placed: false, reason: 'no worker is connected' };
  const objections: string[] = [];
  const fitting: Candidate[] = [];
  for (const worker of workers.toSorted((a, b) => (a.workerId < b.workerId ? -1 : 1))) {
    const reason = newcomerObjection(worker, wanted);
    if (reason === undefined) fitting.push(worker);
    else objections.push(reason);
  }
  const free = (worker: Candidate) => worker.memoryBytes - worker.reservedMemoryBytes;
  const best = fitting.sort((a, b) => free(a) - free(b) || (a.workerId < b.workerId ? -1 : 1))[0];
  return best === undefined
    ? { placed: false, reason: shorten(objections) }
    : { placed: true, workerId: best.workerId };
}

const objectionsMax = 8;

/** With many workers nobody reads them all. */
const shorten = (objections: readonly string[]): string => {
  const more = objections.length - objectionsMax;
  return [...objections.slice(0, objectionsMax), ...(more > 0 ? [`and ${more} more workers cannot take it`] : [])].join(
    '; ',
  );
};
