/**
 * Tells every connected worker what it should run, again and again: whatever was lost on the way, the next round puts right. One worker is
 * begun with in a turn of the event loop, so that a request waits for the bots of one worker at most, however many there are. Several
 * are under way at once: each may have to wait for a commit, and together they must not take longer than a worker stays patient.
 */
import { nextTurn } from '#common/background.ts';
import type { SessionResponse } from '#gen/botrunner/v1/worker_service_pb.js';
import type { SessionFacts } from './fleet.ts';

type Reached = Pick<SessionFacts, 'workerId' | 'queue'>;

const atOnce = 16;

/** Rejects with the first failure once all of them have had their turn. */
export async function tellWorkers<S extends Reached>(
  sessions: readonly S[],
  nextFor: (session: S) => Promise<SessionResponse['body']>,
  signal: AbortSignal,
): Promise<void> {
  let failure: { readonly error: unknown } | undefined;
  const underWay = new Set<Promise<void>>();
  const tell = async (session: S) => {
    try {
      session.queue.push(await nextFor(session));
    } catch (error) {
      // What is wrong with the bots of one worker is no reason to leave out those behind it, in every round.
      failure ??= { error };
    }
  };
  for (const session of sessions) {
    if (signal.aborted) break;
    if (underWay.size >= atOnce) await Promise.race(underWay);
    const telling = tell(session).then(() => {
      underWay.delete(telling);
    });
    underWay.add(telling);
    await nextTurn();
  }
  await Promise.all(underWay);
  if (failure !== undefined) throw failure.error;
}
