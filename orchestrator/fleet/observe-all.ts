/** What a worker reports of its bots, however many they are: applied so many at a time, so that others have their turn in between. */
import { refuse } from '#common/problem.ts';
import type { BotObservation } from '#gen/botrunner/v1/worker_service_pb.js';
import type { Engine } from '../engine/engine.ts';

// Far more than bots fit on a machine.
const reportsMax = 20_000;
export const sliceMax = 256;

/** In order. Rejects with ProblemError INVALID_WORKER, and applies nothing, when they are more than any worker has. */
export async function observeAll(
  engine: Pick<Engine, 'observe'>,
  workerId: string,
  reports: readonly BotObservation[],
): Promise<void> {
  if (reports.length > reportsMax) {
    refuse('INVALID_WORKER', `A message reports ${reports.length} bots; ${reportsMax} is the most.`);
  }
  for (let at = 0; at < reports.length; at += sliceMax) {
    await engine.observe(workerId, reports.slice(at, at + sliceMax));
  }
}
