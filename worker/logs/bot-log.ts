/**
 * The log of one bot as its actor uses it: container output, build output and the platform's own lines in one order,
 * all masked.
 */

import { join } from 'node:path';
import { inBackground } from '#common/background.ts';
import type { Clock } from '#common/clock.ts';
import type { Logger } from '#common/log.ts';
import type { Problem } from '#common/problem.ts';
import type { Semaphore } from '#common/waiting/semaphore.ts';
import { SerialQueue } from '#common/waiting/serial-queue.ts';
import type { ContainerRuntime } from '../runtime/container-runtime.ts';
import { cutLine } from '../runtime/output-lines.ts';
import { isNoRoom, readFileIfAny, writeFileAtomic } from '../state/atomic-file.ts';
import type { FloodEnd } from './flood-end.ts';
import { gapEntry, LogStream, type NewEntry, type StoredEntry, wallNs } from './log-entry.ts';
import { LogPump } from './log-pump.ts';
import { readLog } from './log-reader.ts';
import { type LogLimits, LogStore } from './log-store.ts';
import { createMasker, type Masker, maskTexts } from './masking.ts';

export interface BotLogContext {
  readonly runtime: Pick<ContainerRuntime, 'readOutput' | 'watchOutput'>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly limits?: LogLimits;
  /** Wall time to reckon ages with; the clock's own unless given. */
  readonly ageNowMs?: () => number;
  /** Hears of all output that is moved. */
  readonly floodEnd?: Pick<FloodEnd, 'moved'>;
  /** As in PumpContext. */
  readonly floodTurns?: Semaphore;
  /** The files are another's until then. */
  readonly after?: Promise<void>;
  /** Whose it is: kept with it, for when its bot is not here any more. */
  readonly userId?: string;
  /** Hears of lines that could not be written; logged each time unless given. */
  readonly complain?: (error: unknown) => void;
  /** Called when a log has grown by a segment. */
  readonly grew?: () => void;
}

/** The file in the folder of a log that holds the id of its user. */
export const userFile = 'user';
export const unwritten = 'a line could not be written to the log of a bot';
const gapOfFullDisk = 'output is missing here; the disk of the worker was full';
const madeRoom =
  'older lines were removed: the logs of all your bots took more than they may on this worker (USER_LOG_MAX_SIZE)';
const gapWithoutSecrets = 'output is missing here; it was not stored because its secrets could not be masked';

export class BotLog {
  readonly #dir: string;
  readonly #context: BotLogContext;
  #store: Promise<LogStore> | undefined;
  #opened: LogStore | undefined;
  /** Undefined until the bot's secrets are known; until then no output is stored. */
  #masker: Masker | undefined;
  #wanted: string | undefined;
  #pump: LogPump | undefined;
  /** Pumps begin and end one after the other. */
  readonly #pumping = new SerialQueue();
  /** Lines found no room on the disk since the last that did. */
  #misses = false;
  #onLines: ((texts: readonly string[]) => void) | undefined;

  constructor(dir: string, context: BotLogContext) {
    this.#dir = dir;
    this.#context = context;
  }

  /** Opens the log on first use. */
  store(): Promise<LogStore> {
    const { clock, limits, ageNowMs, grew, after } = this.#context;
    const open = () => LogStore.open(this.#dir, clock, limits, ageNowMs, grew);
    this.#store ??= (after === undefined ? open() : after.then(open)).then(
      async (store) => {
        await this.#nameUser();
        this.#opened = store;
        return store;
      },
      (error: unknown) => {
        this.#store = undefined;
        throw error;
      },
    );
    return this.#store;
  }

  async #nameUser(): Promise<void> {
    const { userId } = this.#context;
    const path = join(this.#dir, userFile);
    if (userId === undefined || (await readFileIfAny(path)) !== undefined) return;
    // On a full disk the log goes by age alone, until it is opened again.
    await writeFileAtomic(path, userId).catch((error: unknown) => {
      if (!isNoRoom(error)) throw error;
    });
  }

  /** What must not be shown from now on. */
  setSecrets(values: readonly string[]): void {
    this.#masker = createMasker(values);
    if (this.#wanted !== undefined)
      inBackground(this.follow(this.#wanted), (error) =>
        this.#context.logger.warn({ err: error }, 'a log stays closed'),
      );
  }

  /** Passes what the bot prints to one listener, as it is stored. The listener must not throw. */
  listen(onLines: (texts: readonly string[]) => void): void {
    this.#onLines = onLines;
  }

  /** Moves the output of this container into the log from now on, instead of any other's. Failures are logged and tried again by the pump. */
  follow(containerId: string): Promise<void> {
    this.#wanted = containerId;
    return this.#pumping
      .run(async () => {
        if (!this.#masker || this.#wanted !== containerId || this.#pump?.containerId === containerId) return;
        await this.#pump?.stop();
        this.#pump = await this.#newPump(containerId);
      })
      .catch((error: unknown) => this.#context.logger.warn({ err: error }, 'the log of a bot cannot be opened'));
  }

  /** Moves what the container has printed so far. Throws what the runtime or the disk throws. */
  drain(containerId: string, signal: AbortSignal): Promise<void> {
    return this.#pumping.run(async () => {
      if (!this.#masker) {
        await this.#append([{ timeNs: this.#nowNs(), stream: LogStream.GAP, text: gapWithoutSecrets }]);
        return;
      }
      if (this.#pump?.containerId === containerId) return this.#pump.drain(signal);
      const pump = await this.#newPump(containerId);
      try {
        await pump.drain(signal);
      } finally {
        await pump.stop();
      }
    });
  }

  /** Stops moving output. */
  unfollow(): Promise<void> {
    this.#wanted = undefined;
    return this.#pumping.run(async () => {
      await this.#pump?.stop();
      this.#pump = undefined;
    });
  }

  /** Stores lines of a build, or the platform's own; returns them as stored. */
  async write(
    stream: LogStream.BUILD | LogStream.SYSTEM | LogStream.GAP,
    lines: readonly string[],
  ): Promise<{ readonly storeId: string; readonly entries: readonly StoredEntry[] }> {
    // Without known secrets only token-shaped text can be masked; the platform's own lines hold no more than that.
    const mask = this.#masker ?? createMasker([]);
    const timeNs = this.#nowNs();
    // Cut after masking, so that no secret is.
    const texts = lines.flatMap((line) => cutLine(mask(line)));
    const entries = await this.#append(texts.map((text) => ({ timeNs, stream, text })));
    return { storeId: (await this.store()).id, entries };
  }

  /** Takes the bot's secrets out of what is reported about it elsewhere. */
  maskProblem(problem: Problem): Problem {
    return maskTexts(problem, this.#masker ?? createMasker([]));
  }

  /** One line of the platform. A log that cannot be written must not stop the bot, so a failure is only logged. */
  async note(text: string): Promise<void> {
    await this.#line(LogStream.SYSTEM, text);
  }

  /** As note, for lines that are lost. */
  async noteGap(text: string): Promise<void> {
    await this.#line(LogStream.GAP, text);
  }

  async #line(stream: LogStream.SYSTEM | LogStream.GAP, text: string): Promise<void> {
    try {
      await this.write(stream, [text]);
      // Those who do not run are many: none of them holds a file open.
      if (!this.follows) await (await this.#store)?.rest();
    } catch (error) {
      const { logger, complain = (cause) => logger.warn({ err: cause }, unwritten) } = this.#context;
      complain(error);
    }
  }

  /** The number of the entry that comes next; 1 if the log cannot be opened. */
  async nextSeq(): Promise<number> {
    return this.store().then(
      (store) => store.nextSeq,
      () => 1,
    );
  }

  /** The last lines the bot itself printed from entry `fromSeq` on, at most `max`, with the id of their log. */
  async lastLines(
    fromSeq: number,
    max: number,
    signal: AbortSignal,
  ): Promise<{ readonly storeId: string; readonly entries: readonly StoredEntry[] }> {
    const store = await this.store();
    const afterSeq = Math.max(fromSeq, store.nextSeq - lookBack) - 1;
    let lines: StoredEntry[] = [];
    const { clock } = this.#context;
    for await (const batch of readLog(store, { afterSeq, sameLog: true }, { follow: false, clock, signal })) {
      const printed = batch.filter(({ stream }) => stream === LogStream.STDOUT || stream === LogStream.STDERR);
      lines = [...lines, ...printed].slice(-max);
    }
    return { storeId: store.id, entries: lines };
  }

  /** Drops what is too old. */
  async sweep(): Promise<void> {
    const store = await this.store();
    await store.dropOld();
    if (!this.follows) await store.rest();
  }

  /** What is on disk of it, and when its last line came; undefined while it is not open. */
  get kept(): { readonly bytes: number; readonly newestMs: number } | undefined {
    const store = this.#opened;
    return store && { bytes: store.bytes, newestMs: store.segments.at(-1)?.newestMs ?? 0 };
  }

  /** Whether a bot prints to it. */
  get follows(): boolean {
    return this.#wanted !== undefined;
  }

  /** Makes room for other logs, and says so where lines are missing now. */
  async shrink(mostBytes: number): Promise<void> {
    await (await this.store()).shrink(mostBytes);
    if (!this.follows) await this.note(madeRoom);
  }

  /** Closes it until it is used again. */
  async release(): Promise<void> {
    await this.close();
    this.#store = undefined;
    this.#opened = undefined;
  }

  /** Deletes the log; it starts over with the next line. */
  async remove(): Promise<void> {
    await this.unfollow();
    const store = await this.store();
    await store.remove();
    this.#store = undefined;
    this.#opened = undefined;
  }

  async close(): Promise<void> {
    await this.unfollow();
    const store = await this.#store;
    await store?.close();
  }

  async #newPump(containerId: string): Promise<LogPump> {
    const store = await this.store();
    const { runtime, clock, logger, floodEnd, floodTurns } = this.#context;
    return new LogPump(containerId, {
      runtime,
      store,
      clock,
      logger,
      floodTurns,
      masker: () => this.#masker ?? createMasker([]),
      onLines: (texts) => {
        floodEnd?.moved(texts.reduce((bytes, { length }) => bytes + length, 0));
        this.#onLines?.(texts);
      },
    });
  }

  /** Throws what the disk throws; then the next lines are stored after one that says that some are missing. */
  async #append(entries: readonly NewEntry[]): Promise<readonly StoredEntry[]> {
    const misses = this.#misses;
    this.#misses = false;
    try {
      const store = await this.store();
      if (misses) await store.append([gapEntry(this.#nowNs(), gapOfFullDisk)]);
      return await store.append(entries);
    } catch (error) {
      this.#misses = misses || isNoRoom(error);
      throw error;
    }
  }

  #nowNs(): bigint {
    return wallNs(this.#context.clock.wallMs());
  }
}

// How many entries are searched for the last lines: among them may be lines of the platform.
const lookBack = 200;
