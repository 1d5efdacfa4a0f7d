/** Takes messages in the order they come without waiting for the one before to be on disk, so that they share commits. */

export interface InOrder<T> {
  /** Begins at once: what it does before it first waits is done in the order of the messages. Undefined: it is done. */
  readonly handle: (message: T) => Promise<void> | undefined;
  /** How many may be under way; then no more are taken. */
  readonly underWayMax: number;
  /** False: what came last is not handled, and nothing more is taken. */
  readonly continues: () => boolean;
}

/** The caller that pushes messages, and hears how their handling goes. */
export interface MessagesOwner<T> extends InOrder<T> {
  /** Called at once with the first failure, to end what the messages come from; none begins after it. */
  failed(error: unknown): void;
  /** More may come. Called once after each time that `take` returned false, unless it is over. */
  room(): void;
  /** No more come, and those that were under way have ended. */
  over(failure: { readonly error: unknown } | undefined): void;
}

/** For messages that are pushed. One that is handled at once costs no promise. */
export class MessagesInOrder<T> {
  readonly #owner: MessagesOwner<T>;
  #underWay = 0;
  #isFull = false;
  #hasEnded = false;
  #failure: { readonly error: unknown } | undefined;

  constructor(owner: MessagesOwner<T>) {
    this.#owner = owner;
  }

  /** False when no more may come, for now or at all; what comes nevertheless after an end is dropped. */
  take(message: T): boolean {
    if (this.#hasEnded) return false;
    if (!this.#owner.continues()) {
      this.end();
      return false;
    }
    try {
      const work = this.#owner.handle(message);
      if (work !== undefined) this.#begun(work);
    } catch (error) {
      this.end({ error });
    }
    this.#isFull = this.#underWay >= this.#owner.underWayMax;
    return !this.#hasEnded && !this.#isFull;
  }

  /** No more come: what they come from has ended, or has failed. */
  end(failure?: { readonly error: unknown }): void {
    if (failure !== undefined && this.#failure === undefined) {
      this.#failure = failure;
      this.#owner.failed(failure.error);
    }
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    if (this.#underWay === 0) this.#owner.over(this.#failure);
  }

  #begun(work: Promise<void>): void {
    this.#underWay++;
    work.then(
      () => this.#ended(),
      (error: unknown) => {
        this.end({ error });
        this.#ended();
      },
    );
  }

  #ended(): void {
    this.#underWay--;
    if (this.#hasEnded) {
      if (this.#underWay === 0) this.#owner.over(this.#failure);
    } else if (this.#isFull) {
      this.#isFull = false;
      this.#owner.room();
    }
  }
}

/**
 * Resolves when the messages have ended and all are handled. Rejects with the first failure, when what was under way by then
 * has ended; none begins after it. `failed` is called at once, to end what the messages come from.
 */
export function inOrder<T>(
  incoming: AsyncIterator<T>,
  how: InOrder<T>,
  failed: (error: unknown) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let isOver = false;
    let wake = () => {};
    const messages = new MessagesInOrder<T>({
      ...how,
      failed,
      room: () => wake(),
      over: (failure) => {
        isOver = true;
        wake();
        if (failure === undefined) resolve();
        else reject(failure.error);
      },
    });
    const pump = async () => {
      while (!isOver) {
        const next = await incoming.next();
        if (next.done) return messages.end();
        if (messages.take(next.value) || isOver) continue;
        await new Promise<void>((awake) => {
          wake = awake;
        });
      }
    };
    pump().catch((error: unknown) => messages.end({ error }));
  });
}
