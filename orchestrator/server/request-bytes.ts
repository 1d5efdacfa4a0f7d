/**
 * The bytes of a request's body. Who sends "Expect: 100-continue" is asked for them when they are first read, so that a
 * refused body need not be sent at all (RFC 9110, section 10.1.1).
 */
import type { NodeRequest, NodeResponse } from './port.ts';

const awaiting = new WeakMap<NodeRequest, NodeResponse>();

/** Node.js would ask at once, and for a stream that has gone in the meantime throw where nobody can catch it. */
export function awaitContinue(request: NodeRequest, response: NodeResponse): void {
  awaiting.set(request, response);
}

/** Leaving it early does not end the connection: the answer still has to go out on it. */
export function bytesOf(request: NodeRequest): AsyncIterable<Buffer> {
  const response = awaiting.get(request);
  awaiting.delete(request);
  if (response !== undefined && !response.headersSent && !response.destroyed) {
    try {
      response.writeContinue();
    } catch {
      // The stream has gone: reading it says so.
    }
  }
  return request.iterator({ destroyOnReturn: false });
}
