/**
 * What happens to the rest of a body that was answered before it was read. It is read on and thrown away, because bytes that nobody reads make the kernel
 * reset the connection, and the answer is lost with it; many clients send all before they read. But not at any cost: all rests together are read at a
 * steady pace, in turns, so that refusing a large body costs little more than refusing a small one.
 *
 * The connection (in HTTP/2, the stream) is ended when nothing comes any more, when it takes too long, since a refused body may have no end, and when its
 * address has too many others like it. The header "connection: close" is not sent: Node would close at once.
 */
import { constants } from 'node:http2';
import { later } from '#common/background.ts';
import type { NodeRequest } from '../node-http.ts';
import { addressKey } from '../port/addresses.ts';

const kib = 1024;

export interface DiscardBounds {
  readonly idleMs: number;
  readonly totalMs: number;
  /** All rests together: so many bytes, then a pause of so long. */
  readonly sliceBytes: number;
  readonly pauseMs: number;
  readonly perAddressMax: number;
}

/** A source of full size has passed in a third of a second. */
const usualBounds: DiscardBounds = {
  idleMs: 2_000,
  totalMs: 30_000,
  sliceBytes: 512 * kib,
  pauseMs: 10,
  perAddressMax: 64,
};

// About what is read at once.
const pieceBytes = 64 * kib;

interface Rest {
  readonly request: NodeRequest;
  readonly end: () => void;
  /** Something is to come now; the other way round, it is its turn that is waited for. */
  readonly awaitBytes: () => void;
}

export class Discards {
  readonly #bounds: DiscardBounds;
  readonly #byAddress = new Map<string, Set<Rest>>();
  /** Those that are paused until it is their turn, the next one first. */
  readonly #waiting = new Set<Rest>();
  #left: number;
  #isPausing = false;

  constructor(bounds: DiscardBounds = usualBounds) {
    this.#bounds = bounds;
    this.#left = bounds.sliceBytes;
  }

  /** To be called when the answer was ended, and at once: when it is out, Node.js reads as fast as it can whatever nobody has begun to read. */
  discard(request: NodeRequest): void {
    if (request.complete || request.destroyed) return;
    request.read(0);
    const { idleMs, totalMs } = this.#bounds;
    const end = () => cutOff(request);
    const cancelTotal = later(totalMs, end);
    let cancelIdle: (() => void) | undefined;
    const rest: Rest = {
      request,
      end,
      awaitBytes: () => {
        cancelIdle ??= later(idleMs, () => askToStop(request));
      },
    };
    const leave = this.#enter(rest, addressKey(request.socket?.remoteAddress ?? ''));
    request.on('data', (bytes: Buffer) => {
      cancelIdle?.();
      cancelIdle = undefined;
      this.#left -= bytes.length;
      if (this.#left > 0) return rest.awaitBytes();
      request.pause();
      this.#waiting.add(rest);
      this.#pause();
    });
    for (const event of ['end', 'close', 'error']) {
      request.once(event, () => {
        cancelTotal();
        cancelIdle?.();
        leave();
      });
    }
    if (this.#left > 0) rest.awaitBytes();
    else {
      request.pause();
      this.#waiting.add(rest);
    }
  }

  #enter(rest: Rest, key: string): () => void {
    const there = this.#byAddress.get(key) ?? new Set();
    this.#byAddress.set(key, there);
    there.add(rest);
    const [oldest] = there;
    if (oldest !== undefined && there.size > this.#bounds.perAddressMax) {
      // At once, not when it is closed: the next one must not end the same again.
      there.delete(oldest);
      oldest.end();
    }
    return () => {
      there.delete(rest);
      this.#waiting.delete(rest);
      if (there.size === 0 && this.#byAddress.get(key) === there) this.#byAddress.delete(key);
    };
  }

  /** While any wait. The first slice after a time without any is whole. */
  #pause(): void {
    if (this.#isPausing) return;
    this.#isPausing = true;
    later(this.#bounds.pauseMs, () => {
      this.#isPausing = false;
      this.#left = this.#bounds.sliceBytes;
      // Each is about to bring a piece; who has brought one stands behind all others.
      for (let pieces = this.#left / pieceBytes; pieces > 0; pieces--) {
        const [next] = this.#waiting;
        if (next === undefined) return;
        this.#waiting.delete(next);
        next.awaitBytes();
        next.request.resume();
      }
      if (this.#waiting.size > 0) this.#pause();
    });
  }
}

/** In HTTP/2 the peer is asked to stop sending, and keeps the answer (RFC 9113, section 8.1). Node.js does so as soon as that is out. */
function askToStop(request: NodeRequest): void {
  if ('stream' in request) request.stream.close(constants.NGHTTP2_NO_ERROR);
  else request.destroy();
}

/** Waits for nothing: a peer of HTTP/2 decides itself whether any of the answer may be sent. */
function cutOff(request: NodeRequest): void {
  if ('stream' in request && !request.stream.writableFinished) request.stream.destroy();
  else askToStop(request);
}

// One for the program: the event loop is one.
const discards = new Discards();

export const discardRest = (request: NodeRequest): void => discards.discard(request);
