/** Does what a plan says to the parts of a platform, and undoes it again. */
import { closeSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { callAdmin } from './client.ts';
import type { StormParts } from './parts.ts';
import type { FaultKind, PlannedFault } from './plan.ts';

/** Begins the fault; the function it resolves with ends it. Undefined where this machine cannot do it. */
type Fault = (parts: StormParts, fault: PlannedFault) => Promise<(() => Promise<unknown> | undefined) | undefined>;

const none = async () => undefined;
const workerOf = (parts: StormParts, { worker }: PlannedFault) => {
  const found = parts.workers[worker];
  if (found === undefined) throw new Error(`there is no worker ${worker}`);
  return found;
};
/** The engine's way of a worker that has one. */
const engineWayOf = (parts: StormParts, { worker }: PlannedFault) => parts.toEngine[worker] ?? parts.toEngine[0];

const faults: Readonly<Record<FaultKind, Fault>> = {
  'kill orchestrator': async ({ orchestrator }) => {
    await orchestrator.kill();
    return () => orchestrator.start();
  },
  'freeze orchestrator': async ({ orchestrator }) => {
    orchestrator.freeze();
    return async () => orchestrator.thaw();
  },
  'kill worker': async (parts, fault) => {
    const worker = workerOf(parts, fault);
    await worker.kill();
    return () => worker.start();
  },
  'freeze worker': async (parts, fault) => {
    const worker = workerOf(parts, fault);
    worker.freeze();
    return async () => worker.thaw();
  },
  'kill engine': async ({ engine }) => {
    await engine?.kill();
    return engine && (() => engine.start());
  },
  'freeze engine': async ({ engine }) => {
    await engine?.freeze();
    return engine && (async () => engine.thaw());
  },
  'kill everything': async ({ orchestrator, workers, engine, nats }) => {
    await Promise.all([orchestrator.kill(), ...workers.map((worker) => worker.kill()), engine?.kill(), nats?.kill()]);
    return async () => {
      await Promise.all([orchestrator.start(), engine?.start(), nats?.start()]);
      await Promise.all(workers.map((worker) => worker.start()));
    };
  },
  'black hole to clients': async ({ toOrchestrator }) => {
    toOrchestrator.hang();
    return async () => toOrchestrator.heal();
  },
  'reset to clients': async ({ toOrchestrator }) => {
    toOrchestrator.reset();
    return none;
  },
  'black hole to worker': async ({ fromWorkers }, { worker }) => {
    fromWorkers[worker]?.hang();
    return async () => fromWorkers[worker]?.heal();
  },
  'reset to worker': async ({ fromWorkers }, { worker }) => {
    fromWorkers[worker]?.reset();
    return none;
  },
  'black hole to engine': async (parts, fault) => {
    const way = engineWayOf(parts, fault);
    way?.hang();
    return way && (async () => way.heal());
  },
  'reset to engine': async (parts, fault) => {
    const way = engineWayOf(parts, fault);
    way?.reset();
    return way && none;
  },
  'full disk': async ({ storeDisk }) => {
    if (storeDisk === undefined) return undefined;
    const filler = join(storeDisk, 'filler');
    fillUp(filler);
    return async () => rmSync(filler, { force: true });
  },
  'clock step': async (parts, fault) => {
    const program = fault.worker === 0 ? parts.orchestrator : workerOf(parts, fault);
    parts.setClock?.(program, fault.seconds);
    return parts.setClock && (async () => parts.setClock?.(program, 0));
  },
  'kill nats': async ({ nats }) => {
    await nats?.kill();
    return nats && (() => nats.start());
  },
  'wipe nats': async ({ nats }) => {
    await nats?.kill();
    await nats?.wipe();
    return nats && (() => nats.start());
  },
  'freeze nats': async ({ nats }) => {
    nats?.freeze();
    return nats && (async () => nats.thaw());
  },
  'drain worker': async (parts, fault) => {
    const { id } = workerOf(parts, fault);
    const drain = new AbortController();
    // It lasts as long as the fault; ending the call ends the drain after the bot at work.
    const message = { workerId: id, leaveData: true };
    const draining = callAdmin(parts.directUrl, 'DrainWorker', message, drain.signal).catch(() => undefined); // or it was away
    return async () => {
      drain.abort();
      await draining;
      for (;;) {
        const answer = await callAdmin(parts.directUrl, 'UncordonWorker', { workerId: id }).catch(() => undefined);
        if (answer !== undefined) return;
        await pause(500);
      }
    };
  },
};

const chunk = Buffer.alloc(1024 * 1024);

function fillUp(path: string): void {
  const file = openSync(path, 'a');
  try {
    for (let size = chunk.length; size >= 1; size = Math.floor(size / 2)) {
      try {
        for (;;) writeSync(file, chunk, 0, size);
      } catch (error) {
        if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error;
      }
    }
  } finally {
    closeSync(file);
  }
}

/** Resolves when the fault is undone: true if it could be injected here. */
export async function inject(parts: StormParts, fault: PlannedFault): Promise<boolean> {
  const undo = await faults[fault.kind](parts, fault);
  if (undo === undefined) return false;
  await pause(fault.ms);
  await undo();
  return true;
}
