/**
 * A message that is being read. Looked at while it grows, so that one which is refused for what is in it is refused long before all of it is
 * there: whenever it has become four times as long, which costs a third more than looking once.
 */
import type { Hold } from '../admission/body-budget.ts';
import { GrowingBytes } from './growing-bytes.ts';

const firstLookBytes = 64 * 1024;
const growth = 4;

/** Throws what is wrong with a message of which so much has come. */
export type Look = (soFar: Uint8Array) => void;

/** When the next look is due, for one message. Costs next to nothing while none is, because pieces may be of one byte. */
export class Looks {
  readonly #look: () => void;
  #nextBytes = firstLookBytes;

  constructor(look: () => void) {
    this.#look = look;
  }

  at(length: number): void {
    if (length < this.#nextBytes) return;
    this.#nextBytes = length * growth;
    this.#look();
  }
}

export interface GrowingRules {
  readonly maxBytes: number;
  readonly tooLarge: () => Error;
  readonly look: Look;
  readonly hold: Hold;
}

/** All pieces as one. Throws what `tooLarge` makes and what `look` throws. */
export async function readWhole(
  pieces: AsyncIterable<Uint8Array>,
  { maxBytes, tooLarge, look, hold }: GrowingRules,
): Promise<Uint8Array> {
  const message = new GrowingBytes();
  const looks = new Looks(() => look(message.bytes));
  try {
    for await (const piece of pieces) {
      if (message.length + piece.length > maxBytes) throw tooLarge();
      message.add(piece, maxBytes);
      hold.holds(message.length);
      looks.at(message.length);
    }
    return message.bytes;
  } finally {
    // What was unpacked may be held for longer than the body it came in.
    hold.release();
  }
}
