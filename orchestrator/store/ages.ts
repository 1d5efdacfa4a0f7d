/** The clock that ages in the store are reckoned with; what it believes is kept in the store. */
import { AgeClock } from '#common/age-clock.ts';
import { inBackground } from '#common/background.ts';
import type { Clock } from '#common/clock.ts';
import type { Logger } from '#common/log.ts';
import type { Store } from './store.ts';

export async function openAgeClock(store: Store, clock: Clock, logger: Logger): Promise<AgeClock> {
  const known = await store.look([], (tx) => tx.clock.ageMark());
  return new AgeClock(clock, known, (mark) =>
    inBackground(
      store.change([], (tx) => tx.clock.setAgeMark(mark)),
      (error) => logger.warn({ err: error }, 'the time could not be stored'),
    ),
  );
}
