/** What happens to the rest of a body that was answered before it was read. */
import type { NodeRequest } from './port.ts';

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
  const total = setTimeout(give, lingerMs.total).unref();
  const idle = setTimeout(give, lingerMs.idle).unref();
  request.on('data', () => idle.refresh());
  for (const event of ['end', 'close', 'error']) {
    request.once(event, () => {
      clearTimeout(total);
      clearTimeout(idle);
    });
  }
}
