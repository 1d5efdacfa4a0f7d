/** How to take back what the works of a batch have done to rows in memory, newest first. */
export class Undo {
  readonly #steps: (() => void)[] = [];

  push(step: () => void): void {
    this.#steps.push(step);
  }

  /** Where a work begins. */
  mark(): number {
    return this.#steps.length;
  }

  /** Takes back all since the mark. */
  back(mark: number): void {
    while (this.#steps.length > mark) this.#steps.pop()?.();
  }

  /** What was done stays. */
  keep(): void {
    this.#steps.length = 0;
  }
}
