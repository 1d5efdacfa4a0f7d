/** The one error for what cannot be had now and may be had later: nothing is decided by it, the same is retried. */

export class TransientError extends Error {
  /** @param message for people: the middle of a sentence. */
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'TransientError';
  }

  /** Why, for people, as the middle of a sentence; holds nothing that only an operator may read. */
  get explanation(): string {
    return this.message;
  }
}
