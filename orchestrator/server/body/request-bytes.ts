/** The bytes of a request's body, as many as its allowance grants and no slower than it allows. */

import { inBackground, later } from '#common/background.ts';
import { ProblemError, problem } from '#common/problem.ts';
import type { Allowance } from '../admission/admission.ts';
import { askForBody } from '../expect-continue.ts';
import type { NodeRequest } from '../node-http.ts';

/** The caller left in the middle of its body: nobody is there to answer, and nothing is wrong here. */
export class BodyBrokenOffError extends Error {
  constructor(cause: unknown) {
    super('the body was cut short', { cause });
    this.name = 'BodyBrokenOffError';
  }
}

/** More was sent than the call takes. */
export class BodyTooLargeError extends Error {}

/**
 * Leaving it early does not end the connection: the answer still has to go out on it. Throws BodyBrokenOffError, BodyTooLargeError, or
 * ProblemError: REQUEST_TIMEOUT, RATE_LIMITED.
 */
export async function* bodyBytes(request: NodeRequest, { body, hold, large }: Allowance): AsyncGenerator<Buffer> {
  const { wholeMaxBytes = Number.POSITIVE_INFINITY, pace } = body;
  const declared = Number(request.headers['content-length'] ?? 0);
  if (declared > wholeMaxBytes) throw new BodyTooLargeError();
  const charge = (length: number) => {
    const tooMuch = large?.charge(length, declared);
    if (tooMuch !== undefined) throw new ProblemError(tooMuch);
  };
  charge(0);
  askForBody(request);
  const bytes: AsyncIterator<Buffer> = request.iterator({ destroyOnReturn: false });
  let failed: Error | undefined;
  let wake: ((error: Error) => void) | undefined;
  const fail = (error: Error) => {
    failed ??= error;
    wake?.(error);
  };
  hold.onGivenUp(fail);
  const clock = pace && watchPace(pace, fail);
  /** The next piece, or whatever ends the body before it comes. */
  const next = () =>
    new Promise<IteratorResult<Buffer>>((resolve, reject) => {
      wake = reject;
      bytes.next().then(resolve, (error: unknown) => reject(new BodyBrokenOffError(error)));
    });
  let over = false;
  let length = 0;
  try {
    for (;;) {
      if (failed !== undefined) throw failed;
      clock?.waits();
      const { done, value } = await next();
      over = done === true;
      if (done) return;
      clock?.came();
      length += value.length;
      if (length > wholeMaxBytes) throw new BodyTooLargeError();
      charge(length);
      yield value;
    }
  } finally {
    clock?.end();
    hold.release();
    // Not awaited: it would wait for bytes that may never come.
    if (!over) inBackground(Promise.resolve(bytes.return?.()), () => undefined);
  }
}

function watchPace({ idleMs, wholeMs }: NonNullable<Allowance['body']['pace']>, late: (error: Error) => void) {
  const began = performance.now();
  let heard = began;
  // What its reader takes to deal with a piece is not the sender's time.
  let waiting = true;
  const timeout = (ms: number, what: string) =>
    late(
      new ProblemError(
        problem('REQUEST_TIMEOUT', `The body of the request ${what} ${Math.round(ms / 1000)} s.`, {
          hint: 'Send it again, faster; the command line uploads large sources in parts.',
        }),
      ),
    );
  const look = () => {
    const now = performance.now();
    if (now - began >= wholeMs) timeout(wholeMs, 'was not complete after');
    else if (waiting && now - heard >= idleMs) timeout(idleMs, 'was interrupted for more than');
    else cancel = arm();
  };
  // One timer for both, set again when it is due: pieces come much more often.
  const arm = () => {
    const now = performance.now();
    return later(Math.max(1, Math.min((waiting ? heard : now) + idleMs, began + wholeMs) - now), look);
  };
  let cancel = arm();
  return {
    waits: () => {
      heard = performance.now();
      waiting = true;
    },
    came: () => {
      waiting = false;
    },
    end: () => cancel(),
  };
}
