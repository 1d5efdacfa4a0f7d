/** Takes messages in the order they come without waiting for the one before to be on disk, so that they share commits. */
import { inBackground } from '#common/background.ts';

export interface InOrder<T> {
  /** Begins at once: what it does before it first waits is done in the order of the messages. Undefined: it is done. */
  readonly handle: (message: T) => Promise<void> | undefined;
  /** How many may be under way; then no more are read. */
  readonly underWayMax: number;
  /** False: what was read last is not handled, and nothing more is read. */
  readonly continues: () => boolean;
}

/**
 * Resolves when the messages have ended and all are handled. Rejects with the first failure, when what was under way by then
 * has ended; none begins after it. `failed` is called at once, to end what the messages come from.
 */
export async function inOrder<T>(
  incoming: AsyncIterator<T>,
  { handle, underWayMax, continues }: InOrder<T>,
  failed: (error: unknown) => void,
): Promise<void> {
  let underWay = 0;
  let failure: { readonly error: unknown } | undefined;
  let ended = Promise.withResolvers<void>();
  const fail = (error: unknown) => {
    if (failure !== undefined) return;
    failure = { error };
    failed(error);
  };
  const end = async (work: Promise<void>) => {
    underWay++;
    await work.catch(fail);
    underWay--;
    ended.resolve();
    ended = Promise.withResolvers();
  };
  /** Undefined when there is nothing to wait for. */
  const begin = (message: T): Promise<void> | undefined => {
    try {
      const work = handle(message);
      return work && end(work);
    } catch (error) {
      fail(error);
      return undefined;
    }
  };
  const atMost = async (count: number) => {
    while (underWay > count) await ended.promise;
  };
  const broken = () => failure !== undefined;
  while (!broken()) {
    await atMost(underWayMax - 1);
    if (broken()) break;
    const next = await incoming.next();
    if (broken() || next.done || !continues()) break;
    const work = begin(next.value);
    if (work !== undefined) inBackground(work, failed);
  }
  await atMost(0);
  if (failure !== undefined) throw failure.error;
}
