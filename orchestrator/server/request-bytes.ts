/**
 * The bytes of a request's body. A sender of "Expect: 100-continue" is asked for them when they are first read, so that a
 * refused body need not be sent at all (RFC 9110, section 10.1.1).
 */

import { isGone } from './is-gone.ts';
import type { NodeRequest, NodeResponse } from './node-http.ts';

const awaiting = new WeakMap<NodeRequest, NodeResponse>();

/** Node.js would ask at once, and for a stream that has gone in the meantime throw where nobody can catch it. */
export function awaitContinue(request: NodeRequest, response: NodeResponse): void {
  awaiting.set(request, response);
}

/** The caller left in the middle of its body: nobody is there to answer, and nothing is wrong here. */
export class BodyBrokenOffError extends Error {
  constructor(cause: unknown) {
    super('the body was cut short', { cause });
    this.name = 'BodyBrokenOffError';
  }
}

/** Leaving it early does not end the connection: the answer still has to go out on it. Throws BodyBrokenOffError. */
export async function* bodyBytes(request: NodeRequest): AsyncGenerator<Buffer> {
  const response = awaiting.get(request);
  awaiting.delete(request);
  if (response !== undefined && !response.headersSent && !isGone(response)) {
    try {
      response.writeContinue();
    } catch {
      // The stream has gone: reading it says so.
    }
  }
  const bytes: AsyncIterator<Buffer> = request.iterator({ destroyOnReturn: false });
  let over = false;
  try {
    while (!over) {
      const next = await bytes.next().catch((error: unknown) => {
        throw new BodyBrokenOffError(error);
      });
      over = next.done === true;
      if (!next.done) yield next.value;
    }
  } finally {
    if (!over) await bytes.return?.();
  }
}
