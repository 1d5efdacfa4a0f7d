/**
 * Messages of which one alone takes the event loop a noticeable time: sources that come inside a request. What a caller sends of them is bounded
 * over time, and each is decoded, packed and stored before the next one of the same caller.
 */
import { type Problem, problem } from '#common/problem.ts';
import { Semaphore } from '#common/waiting/semaphore.ts';
import { isGone } from '../is-gone.ts';
import { Buckets, type Rate } from '../rates/buckets.ts';

const kib = 1024;

/** What is not larger is not counted: it costs about what other requests do. */
export const smallBytes = 256 * kib;
// Of a message that is on its way, so much is charged at once.
const stepBytes = 1024 * kib;
// One more than that of a single caller, so that nobody waits for another one's.
const atOnceMax = 2;
const never = new AbortController().signal;

/** A message that may become large. */
export interface LargeBody {
  /** By its length so far, of so many bytes if that is known. What is wrong: the caller has sent too much. */
  charge(length: number, declared?: number): Problem | undefined;
  /** To be waited for when it is whole: its turn begins. */
  begin(length: number): Promise<void> | undefined;
  /**
   * To be called when it has been dealt with, begun or not. Its turn ends, also when the caller is gone. An answer may never be out: in HTTP/2 the
   * caller decides whether any of it may be sent.
   */
  end(): void;
}

type Answering = Parameters<typeof isGone>[0] & { once(event: 'close', listener: () => void): unknown };

export class LargeBodies {
  readonly #rate: Buckets;
  readonly #turns = new Semaphore(atOnceMax, { perUserMax: 1 });
  readonly #now: () => number;

  /** `rate`: bytes of one caller. `now`: monotonic, ms. */
  constructor(rate: Rate, now: () => number = () => performance.now()) {
    this.#rate = new Buckets(rate);
    this.#now = now;
  }

  of(caller: string, response: Answering): LargeBody {
    let charged = 0;
    let ended = false;
    let release = (): void => undefined;
    const end = () => {
      ended = true;
      release();
    };
    const begin = async () => {
      release = await this.#turns.acquire(never, caller);
      if (ended || isGone(response)) release();
      else response.once('close', end);
    };
    return {
      charge: (length, declared = 0) => {
        if (declared > smallBytes && length === 0) {
          // Only what comes is taken: what is refused at its beginning costs next to nothing.
          const wait = this.#rate.wait(caller, declared, this.#now());
          return wait > 0 ? tooMuch(wait) : undefined;
        }
        if (length <= Math.max(smallBytes, charged)) return undefined;
        charged = length + stepBytes;
        const wait = this.#rate.take(caller, stepBytes, this.#now());
        return wait > 0 ? tooMuch(wait) : undefined;
      },
      begin: (length) => (length <= smallBytes ? undefined : begin()),
      end,
    };
  }
}

const tooMuch = (waitSeconds: number): Problem =>
  problem('RATE_LIMITED', 'You send too many bytes of sources inside requests.', {
    details: { retry_after: Math.max(1, Math.ceil(waitSeconds)) },
    hint: 'Upload large sources first, as the command line does: that has no such limit.',
  });
