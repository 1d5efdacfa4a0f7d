/** "Expect: 100-continue": its sender is asked for the body when that is first read (RFC 9110, section 10.1.1). */
import { isGone } from './is-gone.ts';
import type { NodeRequest, NodeResponse } from './node-http.ts';

const awaiting = new WeakMap<NodeRequest, NodeResponse>();

/** Node.js would ask at once, and for a stream that has gone in the meantime throw where nobody can catch it. */
export function awaitContinue(request: NodeRequest, response: NodeResponse): void {
  awaiting.set(request, response);
}

/** The body is about to be read. */
export function askForBody(request: NodeRequest): void {
  const response = awaiting.get(request);
  awaiting.delete(request);
  if (response === undefined || response.headersSent || isGone(response)) return;
  try {
    response.writeContinue();
  } catch {
    // The stream has gone: reading it says so.
  }
}
