/**
 * The memory that messages may take which have begun and are not whole yet. Each is bounded by its call; this bounds all of them together, for
 * one caller and for all callers, however many connections and streams they come on.
 *
 * 1. A caller with more than its share gives up its own oldest message.
 * 2. When all together are too many, the caller that holds the most gives up its oldest one: others are not refused for its sake.
 */
import { ProblemError, problem } from '#common/problem.ts';

const mib = 1024 * 1024;

interface BudgetBounds {
  readonly callerMaxBytes: number;
  readonly allMaxBytes: number;
  /** Less than that more is not counted: pieces may be of one byte. */
  readonly stepBytes: number;
}

/** One caller can send two sources of full size at once, and four callers can. */
const usualBudget: BudgetBounds = { callerMaxBytes: 36 * mib, allMaxBytes: 144 * mib, stepBytes: 16 * 1024 };

/** A message on its way. */
export interface Hold {
  /** It takes so many bytes by now. This or another message may be given up for it. */
  holds(bytes: number): void;
  /** Called when the message is given up; at once if it already was. */
  onGivenUp(listener: (error: ProblemError) => void): void;
  /** It is whole, or is not wanted any more. */
  release(): void;
}

interface Caller {
  bytes: number;
  /** In the order in which they began. */
  readonly messages: Set<Message>;
}

interface Message {
  bytes: number;
  readonly giveUp: (error: ProblemError) => void;
}

export class BodyBudget {
  readonly #bounds: BudgetBounds;
  readonly #callers = new Map<string, Caller>();
  #bytes = 0;

  constructor(bounds: BudgetBounds = usualBudget) {
    this.#bounds = bounds;
  }

  /** What is held now, by everybody. */
  get bytes(): number {
    return this.#bytes;
  }

  /** `caller`: anything that tells callers apart. */
  hold(caller: string): Hold {
    let givenUp: ProblemError | undefined;
    let tell: ((error: ProblemError) => void) | undefined;
    const giveUp = (error: ProblemError) => {
      givenUp = error;
      tell?.(error);
    };
    const message: Message = { bytes: 0, giveUp };
    return {
      onGivenUp(listener) {
        tell = listener;
        if (givenUp !== undefined) listener(givenUp);
      },
      holds: (bytes) => {
        const isSame = bytes >= message.bytes && bytes - message.bytes < this.#bounds.stepBytes;
        // What was given up takes nothing any more: its reader is about to notice.
        if (!isSame) this.#set(caller, message, givenUp === undefined ? bytes : 0);
      },
      release: () => this.#set(caller, message, 0),
    };
  }

  #set(name: string, message: Message, bytes: number): void {
    const more = bytes - message.bytes;
    if (more === 0) return;
    const caller = this.#callers.get(name) ?? { bytes: 0, messages: new Set() };
    message.bytes = bytes;
    caller.bytes += more;
    this.#bytes += more;
    if (bytes === 0) caller.messages.delete(message);
    else caller.messages.add(message);
    if (caller.messages.size === 0) this.#callers.delete(name);
    else this.#callers.set(name, caller);
    if (more > 0) this.#makeRoom(caller);
  }

  #makeRoom(grown: Caller): void {
    const { callerMaxBytes, allMaxBytes } = this.#bounds;
    while (grown.bytes > callerMaxBytes) this.#giveUpOldest(grown);
    while (this.#bytes > allMaxBytes) {
      let largest = grown;
      for (const caller of this.#callers.values()) if (caller.bytes > largest.bytes) largest = caller;
      this.#giveUpOldest(largest);
    }
  }

  #giveUpOldest(caller: Caller): void {
    const [oldest] = caller.messages;
    if (oldest === undefined) throw new Error('a caller without messages holds bytes');
    caller.messages.delete(oldest);
    caller.bytes -= oldest.bytes;
    this.#bytes -= oldest.bytes;
    oldest.bytes = 0;
    oldest.giveUp(
      new ProblemError(
        problem('RATE_LIMITED', 'Too many large requests are under way at once.', {
          details: { retry_after: 1 },
          hint: 'Send them one after the other.',
        }),
      ),
    );
  }
}
