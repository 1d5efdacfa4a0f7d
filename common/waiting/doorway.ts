/**
 * Lets a few through in each turn of the event loop, so that a crowd which comes at once does not keep others waiting until all
 * of it has been served.
 *
 * 1. Who comes first is through first.
 * 2. Nobody who is through is waited for: one who takes long, or does nothing at all, holds nobody up.
 */
import { inBackground, nextTurn } from '../background.ts';

export class Doorway {
  readonly #perTurn: number;
  readonly #report: (error: unknown) => void;
  #waiting: (() => void)[] = [];
  /** How many have been let through in this turn. */
  #through = 0;
  #counting = false;

  constructor(perTurn: number, report: (error: unknown) => void) {
    this.#perTurn = perTurn;
    this.#report = report;
  }

  /** Undefined for who need not wait. */
  enter(): Promise<void> | undefined {
    this.#count();
    if (this.#waiting.length === 0 && this.#through < this.#perTurn) {
      this.#through++;
      return undefined;
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #count(): void {
    if (this.#counting) return;
    this.#counting = true;
    inBackground(this.#turns(), this.#report);
  }

  async #turns(): Promise<void> {
    try {
      do {
        await nextTurn();
        const next = this.#waiting.splice(0, this.#perTurn);
        this.#through = next.length;
        for (const letThrough of next) letThrough();
      } while (this.#through > 0);
    } finally {
      this.#counting = false;
    }
  }
}
