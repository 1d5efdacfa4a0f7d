import { EventEmitter } from 'node:events';
import { expect, it } from 'vitest';
import { Doorway } from '#common/waiting/doorway.ts';
import type { FeedItem } from '../../events/feed.ts';
import { createEventsRoute, type EventsRouteDeps } from './events-route.ts';
import type { RouteCall } from './route.ts';

class FakeResponse extends EventEmitter {
  destroyed = false;
  writeHead() {}
  write() {
    return true;
  }
  end() {}
}

it('lets go of the events when its reader left before the first was written', async () => {
  const response = new FakeResponse();
  let watching = 0;
  async function* watch(): AsyncGenerator<FeedItem> {
    watching++;
    try {
      yield { kind: 'reset', seq: 7 };
    } finally {
      watching--;
    }
  }
  // Only what the route asks of them.
  const deps = {
    doorway: new Doorway(1, () => undefined),
    storeId: 'BBBBBBBB',
    feed: { watch },
    workerStatuses: async () => {
      expect(watching).toBe(1);
      response.destroyed = true;
      response.emit('close');
      return [];
    },
  } as unknown as EventsRouteDeps;
  const call = {
    request: { headers: { 'last-event-id': 'AAAAAAAA-5' } },
    response,
    query: new URLSearchParams(),
    allowance: { identity: { scope: 'admin', userId: '', revoked: new AbortController().signal } },
    shutdown: new AbortController().signal,
  } as unknown as RouteCall;
  await createEventsRoute(deps)(call);
  expect(watching).toBe(0);
});
