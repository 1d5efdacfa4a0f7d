/** A value that must not be printed: it shows as [redacted] in text, JSON and console output. */
import { inspect } from 'node:util';

const shown = '[redacted]';

export class Secret<T = string> {
  readonly #value: T;
  constructor(value: T) {
    this.#value = value;
  }
  /** The value itself. Call it where the value is used, never to pass it on. */
  reveal(): T {
    return this.#value;
  }
  toString(): string {
    return shown;
  }
  toJSON(): string {
    return shown;
  }
  [inspect.custom](): string {
    return shown;
  }
}
