/** A stream of the orchestrator that is opened again where it was after it broke. */
import type { CallOptions } from '@connectrpc/connect';
import { type Clock, sleep } from '#common/clock.ts';
import { isBrokenStream } from '../wire/refusals.ts';
import { reachAgainMs } from './backoff.ts';

export interface FollowContext {
  readonly clock: Clock;
  readonly random: () => number;
  readonly signal: AbortSignal;
  /** The stream broke; called once until messages come again. */
  readonly onBroken: () => void;
}

export interface Followed {
  /** False: one call, whose break is an error. */
  readonly follow: boolean;
  /** Without follow: how long all of it may take. */
  readonly wholeTimeoutMs: number;
  /** Whether the orchestrator's own end of the stream is to be followed over too. */
  readonly endless: boolean;
}

/** With follow: how long the other side may be away before this gives up. */
const awayMaxMs = 10 * 60_000;

/** `open` begins where the messages so far ended. Throws the signal's reason or the call's error. */
export async function* followStream<T>(
  open: (options: CallOptions) => AsyncIterable<T>,
  { follow, wholeTimeoutMs, endless }: Followed,
  { clock, random, signal, onBroken }: FollowContext,
): AsyncGenerator<T> {
  let failures = 0;
  let awaySinceMs: number | undefined;
  for (;;) {
    try {
      for await (const message of open(follow ? { signal } : { signal, timeoutMs: wholeTimeoutMs })) {
        failures = 0;
        awaySinceMs = undefined;
        yield message;
      }
      if (!follow || !endless) return;
    } catch (error) {
      signal.throwIfAborted();
      if (!follow || !isBrokenStream(error)) throw error;
      const nowMs = clock.monotonicMs();
      if (awaySinceMs === undefined) onBroken();
      awaySinceMs ??= nowMs;
      if (nowMs - awaySinceMs > awayMaxMs) throw error;
    }
    await sleep(clock, reachAgainMs(++failures, random()), signal);
  }
}
