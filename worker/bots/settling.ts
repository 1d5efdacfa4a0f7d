/**
 * Once a version has stayed up, lets the runtime do what makes its next start quicker: beside the actor's steps, and not at once, since
 * who has just started a bot often stops or changes it again. Never beside the making or removing of images of the same bot, nor beside the
 * making of its container: the code that is copied into that would be removed meanwhile.
 */
import { TimeLimitError } from '#common/waiting/time-limit.ts';
import type { BotContext } from './bot-context.ts';
import { type BotMemory, factsOf, imageNameNow } from './bot-memory.ts';

const afterMs = 5000;
const limitMs = 300_000;

export class Settling {
  readonly #memory: BotMemory;
  readonly #context: BotContext;
  /** The revision for which that was done. */
  #settled: bigint | undefined;
  /** Whether it is to be done for what runs now, and has not been. */
  #isDue = false;
  /** How many removals are under way. */
  #removals = 0;
  #cancel: () => void = () => {};
  #ending = new AbortController();
  #running: Promise<void> = Promise.resolve();

  constructor(memory: BotMemory, context: BotContext) {
    this.#memory = memory;
    this.#context = context;
  }

  /** A start has succeeded. */
  begin(): void {
    this.#isDue = true;
    this.#cancel();
    if (this.#removals > 0) return;
    const container = factsOf(this.#memory)?.id;
    this.#cancel = this.#context.clock.after(afterMs, () => {
      const facts = factsOf(this.#memory);
      const runs = facts?.id === container && facts?.status === 'running' && this.#memory.preparing === undefined;
      if (!runs || facts.revision === this.#settled) return;
      this.#settled = facts.revision;
      this.#running = this.#settle(facts.revision, this.#ending.signal);
    });
  }

  /** Gives up what is under way, or about to begin; resolves when nothing is any more. */
  async end(): Promise<void> {
    this.#isDue = false;
    await this.#giveUp();
  }

  /** As `end`; what was done for any version may be in vain. */
  async endForImages(): Promise<void> {
    this.#settled = undefined;
    await this.end();
  }

  /** Removes images that what runs now does not need; what was given up for that, or has come up meanwhile, begins afterwards. */
  async without(removal: () => Promise<void>): Promise<void> {
    this.#removals += 1;
    try {
      await this.#giveUp();
      await removal();
    } finally {
      this.#removals -= 1;
      if (this.#isDue) this.begin();
    }
  }

  async #giveUp(): Promise<void> {
    this.#cancel();
    this.#ending.abort(new Error('the image is about to be changed'));
    this.#ending = new AbortController();
    await this.#running;
  }

  async #settle(revision: bigint, signal: AbortSignal): Promise<void> {
    const { runtime, clock, logger } = this.#context;
    const { key } = this.#memory;
    const limit = new AbortController();
    const cancel = clock.after(limitMs, () => limit.abort(new TimeLimitError('settling an image', limitMs)));
    try {
      // Not left behind when it is given up: who gives it up is about to make or remove images, or to need the code.
      await runtime.settleImage(key, imageNameNow(this.#memory, revision), AbortSignal.any([signal, limit.signal]));
      this.#isDue = false;
    } catch (error) {
      this.#settled = undefined;
      logger.debug({ err: error, bot: key }, 'the next starts of a bot will not be quicker yet');
    } finally {
      cancel();
    }
  }
}
