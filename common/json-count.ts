/**
 * Counts what is in a JSON text while its bytes come, so that a text which holds too much is refused as soon as it does, and each byte is looked
 * at once. What is no JSON at all is left to the parser. Pure.
 */
import { type JsonBounds, jsonBounds, tooDeep, tooManyValues } from './json-text.ts';
import type { Problem } from './problem.ts';

const codes = { quote: 0x22, comma: 0x2c, minus: 0x2d, backslash: 0x5c } as const;
const isDigit = (code: number) => code >= 0x30 && code <= 0x39;
const isInNumber = (code: number) =>
  isDigit(code) || code === 0x2e || code === 0x45 || code === 0x65 || code === 0x2b || code === codes.minus;

export class JsonCount {
  readonly #bounds: JsonBounds;
  /** One for each open bracket: whether it is an object's. */
  readonly #open: boolean[] = [];
  #values = 0;
  #keys = 0;
  #keyComes = false;
  /** Where the last byte was. A minus is a number by itself, until a digit follows. */
  #in: 'string' | 'word' | 'minus' | 'number' | undefined;
  /** In a string: an odd number of backslashes came last. */
  #escaped = false;

  constructor(bounds: JsonBounds = jsonBounds) {
    this.#bounds = bounds;
  }

  /** What is too much, the bytes that came before included. To be called no more after that. */
  add(bytes: Uint8Array): Problem | undefined {
    // Bytes of UTF-8 that are not ASCII stand in strings alone, where nothing is counted.
    for (let at = 0; at < bytes.length; ) {
      if (this.#in === 'string') {
        at = this.#skipString(bytes, at);
        continue;
      }
      const refused = this.#take(bytes[at] ?? 0);
      if (refused !== undefined) return refused;
      at += 1;
    }
    return undefined;
  }

  /** The place behind the string's end, or behind all. */
  #skipString(bytes: Uint8Array, from: number): number {
    let start = from;
    for (;;) {
      const quote = bytes.indexOf(codes.quote, start);
      const end = quote === -1 ? bytes.length : quote;
      let backslashes = 0;
      while (end - 1 - backslashes >= start && bytes[end - 1 - backslashes] === codes.backslash) backslashes += 1;
      const isCarried = this.#escaped && backslashes === end - start;
      this.#escaped = (backslashes + (isCarried ? 1 : 0)) % 2 === 1;
      if (quote === -1) return bytes.length;
      start = quote + 1;
      if (!this.#escaped) {
        this.#in = undefined;
        return start;
      }
      this.#escaped = false;
    }
  }

  #take(code: number): Problem | undefined {
    const before = this.#in;
    if (before === 'number' && isInNumber(code)) return undefined;
    if (before === 'minus' && isDigit(code)) {
      this.#in = 'number';
      return undefined;
    }
    if (code >= 0x61 && code <= 0x7a) {
      this.#in = 'word';
      return before === 'word' ? undefined : this.#count();
    }
    this.#in = undefined;
    switch (code) {
      case codes.quote: {
        const isKey = this.#keyComes;
        this.#in = 'string';
        this.#escaped = false;
        this.#keyComes = false;
        return isKey ? this.#countKey() : this.#count();
      }
      case codes.minus:
        this.#in = 'minus';
        return this.#count();
      case codes.comma:
        this.#keyComes = this.#open.at(-1) === true;
        return undefined;
      case 0x7b: // {
      case 0x5b: // [
        this.#keyComes = code === 0x7b;
        if (this.#open.push(this.#keyComes) > this.#bounds.depthMax) return this.#count() ?? tooDeep(this.#bounds);
        return this.#count();
      case 0x7d: // }
      case 0x5d: // ]
        this.#open.pop();
        this.#keyComes = false;
        return undefined;
      default:
        if (!isDigit(code)) return undefined;
        this.#in = 'number';
        return this.#count();
    }
  }

  #count(): Problem | undefined {
    this.#values += 1;
    return this.#values > this.#bounds.valuesMax ? tooManyValues(this.#bounds) : undefined;
  }

  #countKey(): Problem | undefined {
    this.#keys += 1;
    return this.#keys > this.#bounds.valuesMax ? tooManyValues(this.#bounds) : undefined;
  }
}
