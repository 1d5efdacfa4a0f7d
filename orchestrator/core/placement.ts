/** Where a bot shall run: filters that explain themselves, then bin-packing. Pure. */

export interface Candidate {
  readonly workerId: string;
  readonly ready: boolean;
  /** Why it is not ready, for people. */
  readonly notReadyReason: string;
  readonly memoryBytes: number;
  readonly cpuMillis: number;
  /** Taken by the other bots that shall run there. */
  readonly reservedMemoryBytes: number;
  readonly reservedCpuMillis: number;
}

export interface Wanted {
  readonly memoryBytes: number;
  readonly cpuMillis: number;
  /** The worker that has the bot's container, volume and log. A bot never moves by itself: it waits for its home. */
  readonly home: string | null;
}

export type Placement =
  | { readonly placed: true; readonly workerId: string }
  | { readonly placed: false; readonly reason: string };

// CPU is a share, not a reservation: several times as many bots fit as there are cores.
const cpuOvercommit = 4;

function objection(worker: Candidate, wanted: Wanted): string | undefined {
  if (!worker.ready) return `${worker.workerId} is not ready (${worker.notReadyReason || 'no reason given'})`;
  const freeMemory = worker.memoryBytes - worker.reservedMemoryBytes;
  if (freeMemory < wanted.memoryBytes) {
    const mb = (bytes: number) => Math.round(bytes / 1024 / 1024);
    return `${worker.workerId} has ${Math.max(0, mb(freeMemory))} of ${mb(worker.memoryBytes)} MiB free, ${mb(wanted.memoryBytes)} are needed`;
  }
  if (worker.cpuMillis * cpuOvercommit - worker.reservedCpuMillis < wanted.cpuMillis) {
    return `${worker.workerId} has no CPU share left`;
  }
  return undefined;
}

/** Chooses the fullest worker that still has room, so that large bots find room elsewhere. */
export function planPlacement(workers: readonly Candidate[], wanted: Wanted): Placement {
  if (wanted.home !== null) {
    const home = workers.find((worker) => worker.workerId === wanted.home);
    const reason =
      home === undefined ? `worker ${wanted.home}, which has the bot, is not connected` : objection(home, wanted);
    return reason === undefined ? { placed: true, workerId: wanted.home } : { placed: false, reason };
  }
  if (workers.length === 0) return { placed: false, reason: 'no worker is connected' };
  const objections: string[] = [];
  const fitting: Candidate[] = [];
  for (const worker of workers) {
    const reason = objection(worker, wanted);
    if (reason === undefined) fitting.push(worker);
    else objections.push(reason);
  }
  const free = (worker: Candidate) => worker.memoryBytes - worker.reservedMemoryBytes;
  const best = fitting.sort((a, b) => free(a) - free(b) || (a.workerId < b.workerId ? -1 : 1))[0];
  return best === undefined
    ? { placed: false, reason: objections.join('; ') }
    : { placed: true, workerId: best.workerId };
}
