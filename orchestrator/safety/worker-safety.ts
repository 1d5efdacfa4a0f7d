/** What workers say of their own safety, and what follows from it. A worker is believed about its own host. Pure. */
import { type Check, failedOf } from '#common/checks/check.ts';
import type { SafetyReport } from '#gen/botrunner/v1/safety_pb.js';
import { soundNumber } from '../core/worker-words.ts';

export interface WorkerSafety {
  /** Whether it runs with STRANGERS=1. */
  readonly strangers: boolean;
  /** Empty until they were made once. */
  readonly checks: readonly Check[];
  /** By the orchestrator's monotonic clock. */
  readonly atMs: number;
}

const checksMax = 32;
const textMax = 1000;
// Older ones are of no use to anybody.
const ageMax = 365 * 24 * 60 * 60 * 1000;

/** Takes from the report what is used, and no more of it than anybody reads. */
export const workerSafety = ({ strangers, checks, ageMs }: SafetyReport, nowMs: number): WorkerSafety => ({
  strangers,
  checks: checks.slice(0, checksMax).map(({ name, ok, message, hint }) => ({
    name: name.slice(0, textMax),
    ok,
    message: message.slice(0, textMax),
    ...(hint !== '' && { hint: hint.slice(0, textMax) }),
  })),
  atMs: nowMs - Math.min(soundNumber(ageMs), ageMax),
});

/** A worker makes them every minute; one that has stopped doing so proves nothing. */
const trustedForMs = 300_000;

/**
 * Why no new bots are started on the worker, for the operator; undefined when they are. `strangers`: whether the orchestrator runs
 * with STRANGERS=1. A worker that does so by itself refuses them too.
 */
export function whyUnsafe(safety: WorkerSafety | undefined, strangers: boolean, nowMs: number): string | undefined {
  if (safety?.strangers !== true) {
    return strangers ? 'it does not run with STRANGERS=1: set it for the worker, too' : undefined;
  }
  if (safety.checks.length === 0) return 'its safety checks have not been made yet';
  const failed = failedOf(safety.checks).map(({ name }) => name);
  if (failed.length > 0)
    return `${failed.length === 1 ? 'a safety check fails' : 'safety checks fail'}: ${failed.join(', ')}`;
  const ageMs = nowMs - safety.atMs;
  return ageMs > trustedForMs ? `its safety checks are ${Math.round(ageMs / 60_000)} minutes old` : undefined;
}
