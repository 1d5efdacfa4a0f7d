/** What happens to the rest of a body that was answered before it was read. */
import { later } from '#common/background.ts';
import type { NodeRequest } from '../node-http.ts';

const lingerMs = { idle: 2_000, total: 30_000 };

/**
 * Reads on after a refusal and throws away what comes, then ends the connection (in HTTP/2, the stream), because a refused
 * body may have no end. Not at once, and without the header "connection: close", at which Node would do it at once: bytes
 * that nobody reads make the kernel reset the connection, and the answer is lost with it. Many clients send all before they
 * read, hence the long total.
 */
export function discardRest(request: NodeRequest): void {
  if (request.complete || request.destroyed) return;
  const give = () => request.destroy();
  const cancelTotal = later(lingerMs.total, give);
  let cancelIdle = later(lingerMs.idle, give);
  request.on('data', () => {
    cancelIdle();
    cancelIdle = later(lingerMs.idle, give);
  });
  for (const event of ['end', 'close', 'error']) {
    request.once(event, () => {
      cancelTotal();
      cancelIdle();
    });
  }
}
