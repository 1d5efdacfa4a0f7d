/**
 * Moves the output of one container from the runtime into the log. The place read up to is stored in the same record as
 * the lines, so a crash anywhere neither loses nor doubles a line.
 */

import type { Clock } from '#common/clock.ts';
import type { Logger } from '#common/log.ts';
import { orAbort, unlessAborted } from '#common/waiting/abort.ts';
import { Bell, pause } from '#common/waiting/bell.ts';
import type { Semaphore } from '#common/waiting/semaphore.ts';
import { SerialQueue } from '#common/waiting/serial-queue.ts';
import { withTimeLimit } from '#common/waiting/time-limit.ts';
import type { ContainerRuntime, OutputBatch } from '../runtime/container-runtime.ts';
import { gapEntry, LogStream, type NewEntry, wallNs } from './log-entry.ts';
import type { LogStore } from './log-store.ts';
import type { Masker } from './masking.ts';

// What is held of a bot that floods; more at once would be no faster.
const readBytes = 128 * 1024;
const readLimitMs = 30_000;
// Between two reads while output flows: twice the time that a read takes, so that reading leaves the engine to others.
const pauseMs = { least: 5, most: 25 };
// Between two reads while nothing comes. A bell may miss; without one, reading is the only way to know. Reading is not cheap:
// an engine searches its files from their beginning.
const longestPauseMs = { withBell: 10_000, withoutBell: 2000 };
const bellAgainMs = 2000;

export interface PumpContext {
  readonly runtime: Pick<ContainerRuntime, 'readOutput' | 'watchOutput'>;
  readonly store: LogStore;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Of all bots: who has more to read than one read takes waits for a turn, so that a quiet bot's line does not wait for them. */
  readonly floodTurns?: Semaphore | undefined;
  readonly masker: () => Masker;
  /** Gets the lines once they are stored, masked. Must not throw. */
  readonly onLines?: (texts: readonly string[]) => void;
}

interface Moved {
  readonly lines: number;
  /** More can be read at once. */
  readonly more: boolean;
}

export class LogPump {
  readonly containerId: string;
  readonly #context: PumpContext;
  readonly #bell = new Bell();
  readonly #ending = new AbortController();
  #hasBell = false;
  /** Reads go one after the other, whatever asks for them. */
  readonly #reads = new SerialQueue();
  /** A read that has been asked for and has not begun: it is as good for whoever asks meanwhile. */
  #next: Promise<Moved> | undefined;
  readonly #running: Promise<void>;

  constructor(containerId: string, context: PumpContext) {
    this.containerId = containerId;
    this.#context = context;
    this.#running = Promise.all([this.#pump(), this.#listen()]).then(() => undefined);
  }

  /** Moves all that the container has printed so far. Throws what the runtime or the disk throws. */
  async drain(signal: AbortSignal): Promise<void> {
    while ((await orAbort(signal, this.#read())).more) signal.throwIfAborted();
  }

  /** Stops reading. What is not read yet stays with the runtime. */
  async stop(): Promise<void> {
    this.#ending.abort(new Error('the log pump was stopped'));
    await this.#running;
    await this.#reads.idle();
  }

  get #longestPauseMs(): number {
    return this.#hasBell ? longestPauseMs.withBell : longestPauseMs.withoutBell;
  }

  async #pump(): Promise<void> {
    const { signal } = this.#ending;
    const { clock, logger, floodTurns } = this.#context;
    let isFlood = false;
    let waitMs = pauseMs.most;
    while (!signal.aborted) {
      try {
        const beganMs = clock.monotonicMs();
        const release = isFlood ? await floodTurns?.acquire(signal) : undefined;
        const moved = await this.#read().finally(release);
        isFlood = moved.more;
        if (moved.more) continue;
        waitMs = moved.lines > 0 ? pauseMs.most : Math.min(waitMs * 2, this.#longestPauseMs);
        // The first line after a silence goes at once; then a few may gather, since the bell rings for every line.
        const restMs = Math.min(Math.max(2 * (clock.monotonicMs() - beganMs), pauseMs.least), pauseMs.most);
        if (moved.lines > 0) await pause(clock, restMs, signal);
      } catch (error) {
        if (signal.aborted) return;
        // An engine that is away or a full disk: nothing is lost, since the place read up to has not moved.
        logger.debug({ err: error, containerId: this.containerId }, 'container output could not be copied; will retry');
        waitMs = longestPauseMs.withoutBell;
      }
      await this.#bell.wait({ signal, clock, afterMs: waitMs });
    }
  }

  async #listen(): Promise<void> {
    const { signal } = this.#ending;
    const { runtime, clock } = this.#context;
    while (!signal.aborted) {
      // Only a hint: without it the pump looks more often.
      const watching = runtime.watchOutput(this.containerId, () => this.#bell.ring(), signal);
      this.#hasBell = true;
      await unlessAborted(signal, watching).catch(() => undefined);
      this.#hasBell = false;
      // What came while it ended may not have rung.
      this.#bell.ring();
      await pause(clock, bellAgainMs, signal);
    }
  }

  /** One read that begins from now on. */
  #read(): Promise<Moved> {
    this.#next ??= this.#reads.run(() => {
      this.#next = undefined;
      return this.#readOnce(this.#ending.signal);
    });
    return this.#next;
  }

  async #readOnce(signal: AbortSignal): Promise<Moved> {
    const { runtime, store, clock, onLines } = this.#context;
    const after = store.mark?.containerId === this.containerId ? store.mark.cursor : undefined;
    const batch = await withTimeLimit(clock, 'reading container output', readLimitMs, signal, (limited) =>
      runtime.readOutput(this.containerId, after, readBytes, limited),
    );
    const entries = this.#toEntries(batch);
    if (entries.length > 0) {
      await store.append(entries, { containerId: this.containerId, cursor: batch.cursor });
      onLines?.(entries.filter(({ stream }) => stream !== LogStream.GAP).map(({ text }) => text));
    }
    return { lines: entries.length, more: batch.more && entries.length > 0 };
  }

  #toEntries(batch: OutputBatch): NewEntry[] {
    // Without a line the place does not move, and a gap is reported again with the next line.
    if (batch.lines.length === 0) return [];
    const mask = this.#context.masker();
    const entries: NewEntry[] = batch.lines.map((line) => ({
      timeNs: line.timeNs,
      stream: line.stream === 'stdout' ? LogStream.STDOUT : LogStream.STDERR,
      text: mask(line.text, line.around),
    }));
    if (!batch.gap) return entries;
    const timeNs = entries[0]?.timeNs ?? wallNs(this.#context.clock.wallMs());
    return [gapEntry(timeNs, 'lines are missing here; the container engine no longer had them'), ...entries];
  }
}
