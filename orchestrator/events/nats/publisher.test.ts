import { expect, it, vi } from 'vitest';
import { systemClock } from '#common/clock.ts';
import { silentLogger } from '#common/log.ts';
import type { Store } from '../../store/store.ts';
import { NatsPublisher } from './publisher.ts';

it('asks again for its place when the store could not say it', async () => {
  const look = vi.fn<() => Promise<unknown>>();
  look.mockRejectedValueOnce(new Error('the disk does not answer')).mockResolvedValue({ saved: 7, last: 9 });
  const publisher = new NatsPublisher({
    // Only what it asks of it until NATS is there.
    store: { look, onEvents: () => () => undefined } as unknown as Store,
    clock: { ...systemClock, after: (_delayMs, callback) => systemClock.after(0, callback) },
    logger: silentLogger,
    target: { servers: ['127.0.0.1:1'], tls: false, login: undefined },
    render: () => {
      throw new Error('there is no event');
    },
  });
  publisher.start();
  await vi.waitFor(() => expect(look).toHaveBeenCalledTimes(2));
  await publisher.stop();
});
