/**
 * A message that is being read. Looked at while it grows, so that one which is refused for what is in it is refused long before all of it is
 * there, and never for long without a pause, because others wait for the event loop.
 */
import { JsonCount } from '#common/json-count.ts';
import type { JsonBounds } from '#common/json-text.ts';
import type { Problem } from '#common/problem.ts';
import type { Turn } from '../admission/admission.ts';
import type { Hold } from '../admission/body-budget.ts';
import type { LargeBody } from '../admission/large-bodies.ts';
import { GrowingBytes } from './growing-bytes.ts';

const firstLookBytes = 64 * 1024;

/** Looks at a message, of which more has come each time. */
export interface Look {
  /** What is wrong with it. */
  readonly at: (soFar: Uint8Array) => Problem | undefined;
  /** When the next look is due, at a message that was looked at when it had this length. */
  readonly nextAt: (length: number) => number;
}

/** Goes on where the last look ended. */
export function lookAtJson(bounds: JsonBounds): Look {
  const count = new JsonCount(bounds);
  let seen = 0;
  return {
    at(soFar) {
      const more = soFar.subarray(seen);
      seen = soFar.length;
      return count.add(more);
    },
    nextAt: (length) => length + firstLookBytes,
  };
}

/** Takes care of when to look at one message. Costs next to nothing while no look is due, because pieces may be of one byte. */
export class Looks {
  readonly #look: Look | undefined;
  readonly #turn: Turn;
  #nextBytes = firstLookBytes;

  /** `look`: undefined for messages that are not looked at. */
  constructor(look: Look | undefined, turn: Turn) {
    this.#look = look;
    this.#turn = turn;
  }

  isDue(length: number): boolean {
    return this.#look !== undefined && length >= this.#nextBytes;
  }

  async at(soFar: Uint8Array): Promise<Problem | undefined> {
    if (this.#look === undefined) return undefined;
    this.#nextBytes = this.#look.nextAt(soFar.length);
    await this.#turn();
    return this.#look.at(soFar);
  }
}

export interface GrowingRules {
  readonly maxBytes: number;
  readonly tooLarge: () => Error;
  readonly look: Look | undefined;
  readonly refused: (problem: Problem) => Error;
  readonly turn: Turn;
  readonly hold: Hold;
  /** Charged again, because what was compressed has become longer. */
  readonly large: LargeBody | undefined;
}

/** All pieces as one. Throws what `tooLarge` and `refused` make. */
export async function readWhole(
  pieces: AsyncIterable<Uint8Array>,
  { maxBytes, tooLarge, look, refused, turn, hold, large }: GrowingRules,
): Promise<Uint8Array> {
  const message = new GrowingBytes();
  const looks = new Looks(look, turn);
  try {
    for await (const piece of pieces) {
      if (message.length + piece.length > maxBytes) throw tooLarge();
      message.add(piece, maxBytes);
      hold.holds(message.length);
      const isDue = looks.isDue(message.length);
      const problem = large?.charge(message.length) ?? (isDue ? await looks.at(message.bytes) : undefined);
      if (problem !== undefined) throw refused(problem);
    }
    return message.bytes;
  } finally {
    // What was unpacked may be held for longer than the body it came in.
    hold.release();
  }
}
