/**
 * Sends every connected worker all that it should run, again and again: whatever was lost on the way, the next set puts right. One
 * worker in a turn of the event loop, so that a request waits for the bots of one worker at most, however many there are.
 */
import { nextTurn } from '#common/background.ts';
import type { DesiredSet } from '#gen/botrunner/v1/worker_service_pb.js';
import type { SessionFacts } from './fleet.ts';

export async function sendDesiredSets(
  sessions: readonly Pick<SessionFacts, 'workerId' | 'queue'>[],
  desiredSetOf: (workerId: string) => Promise<DesiredSet>,
  signal: AbortSignal,
): Promise<void> {
  for (const { workerId, queue } of sessions) {
    if (signal.aborted) return;
    // Nothing comes between the look and this: an older set would end what was decided since.
    queue.push({ case: 'desiredSet', value: await desiredSetOf(workerId) });
    await nextTurn();
  }
}
