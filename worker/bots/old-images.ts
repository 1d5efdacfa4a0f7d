/**
 * Removes the images of a bot's older versions once the newer one runs, beside the actor's steps: it changes nothing that
 * they look at. Never beside a build: its layers have no name yet and would pass for leftovers of an old one.
 */
import type { BotContext } from './bot-context.ts';
import { type BotMemory, factsOf } from './bot-memory.ts';
import { removeOldImages } from './cleaning.ts';
import type { Settling } from './settling.ts';

export class OldImages {
  readonly #memory: BotMemory;
  readonly #context: BotContext;
  readonly #signal: AbortSignal;
  readonly #settling: Settling;
  readonly #onRemoved: () => void;
  /** The revision for which that was done. */
  #removedFor: bigint | undefined;
  #removing: Promise<void> = Promise.resolve();

  constructor(memory: BotMemory, context: BotContext, settling: Settling, signal: AbortSignal, onRemoved: () => void) {
    this.#memory = memory;
    this.#settling = settling;
    this.#context = context;
    this.#signal = signal;
    this.#onRemoved = onRemoved;
  }

  /** Resolves when none are being removed. */
  get untilQuiet(): Promise<void> {
    return this.#removing;
  }

  /** Begins, unless it was done for what runs now. What fails is tried again when the bot next has nothing to do. */
  remove(): void {
    const revision = factsOf(this.#memory)?.revision;
    if (revision === undefined || revision === this.#removedFor || this.#memory.preparing !== undefined) return;
    this.#removedFor = revision;
    this.#removing = this.#remove(revision).then(
      () => this.#onRemoved(),
      (error: unknown) => {
        this.#removedFor = undefined;
        this.#context.logger.debug({ err: error, bot: this.#memory.key }, 'old images stay for now');
      },
    );
  }

  async #remove(revision: bigint): Promise<void> {
    await this.#settling.without(() => removeOldImages(this.#memory, this.#context, revision, this.#signal));
  }

  /** A new version may have to make way for an old one: there will be images to remove whichever of them runs. */
  keep(): void {
    this.#removedFor = undefined;
  }
}
