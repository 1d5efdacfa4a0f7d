/**
 * Bytes that arrive in pieces of any size, put together as they come. Pieces that are kept until the last one has come take a hundred times
 * the memory of their bytes, when they are small enough. Pure.
 */
const nothing = Buffer.alloc(0);

export class GrowingBytes {
  #bytes = nothing;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** All that has been added; it shares the memory of what is added next. */
  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  /**
   * Copies the bytes, to where there is room for as many again, but for no more than `mostBytes` in all: no byte is copied more than
   * a few times, and no more memory is taken than twice what has come.
   */
  add(bytes: Uint8Array, mostBytes: number): void {
    const length = this.#length + bytes.length;
    if (length > this.#bytes.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(length, Math.min(2 * length, mostBytes)));
      larger.set(this.bytes);
      this.#bytes = larger;
    }
    this.#bytes.set(bytes, this.#length);
    this.#length = length;
  }

  clear(): void {
    this.#bytes = nothing;
    this.#length = 0;
  }
}
