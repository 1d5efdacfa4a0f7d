/** The logs of all bots, each in its own folder. Logs outlive their bots' containers, and go by age; those of one user have a limit together. */
import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { inBackground } from '#common/background.ts';
import { type BotKey, botHash, userIdPattern } from '#common/ids.ts';
import { pause } from '#common/waiting/bell.ts';
import { Semaphore } from '#common/waiting/semaphore.ts';
import { SerialQueue } from '#common/waiting/serial-queue.ts';
import { readFileIfAny } from '../state/atomic-file.ts';
import { BotLog, type BotLogContext, unwritten, userFile } from './bot-log.ts';
import { FloodEnd } from './flood-end.ts';
import { defaultLogLimits } from './log-store.ts';
import { type LogUse, planShrink } from './user-logs.ts';

const sweepMs = 3600_000;
// One reads while another one writes; more would only make the rest of the worker wait.
const floodsAtOnce = 2;
// On a full disk there is something to complain about with each end of each bot.
const complainMs = 60_000;

/** What is on disk of a log that is not open. */
interface Kept {
  readonly bytes: number;
  readonly newestMs: number;
}

interface KnownLog {
  readonly userId: string;
  /** Undefined for a log of a bot that is not here any more. */
  log: BotLog | undefined;
  kept: Kept | undefined;
  /** Settles when the one that was forgotten last no longer touches the files; never rejects. */
  closing: Promise<void> | undefined;
}

export class BotLogs {
  readonly #dir: string;
  readonly #context: BotLogContext;
  readonly #mostBytesOfUser: number;
  readonly #logs = new Map<string, KnownLog>();
  readonly #byUser = new Map<string, Set<string>>();
  /** Users for whose logs room is about to be made. */
  readonly #toBound = new Set<string>();
  readonly #bounding = new SerialQueue();
  readonly #floodEnd: FloodEnd | undefined;
  #complainedAtMs = Number.NEGATIVE_INFINITY;

  /**
   * `collectGarbage` is called when a flood of output is over. `mostBytesOfUser`: what the logs of one user may take together, and a segment
   * of each bot that runs.
   */
  constructor(
    dir: string,
    context: BotLogContext,
    collectGarbage?: () => void,
    mostBytesOfUser = Number.POSITIVE_INFINITY,
  ) {
    this.#dir = dir;
    this.#mostBytesOfUser = mostBytesOfUser;
    this.#floodEnd = collectGarbage && new FloodEnd(context.clock, collectGarbage);
    const floodTurns = new Semaphore(floodsAtOnce);
    const complain = (error: unknown) => this.#complain(error);
    this.#context = { ...context, floodTurns, complain, ...(this.#floodEnd && { floodEnd: this.#floodEnd }) };
  }

  of(key: BotKey): BotLog {
    const hash = botHash(key);
    const known = this.#know(hash, key.userId);
    known.log ??= new BotLog(join(this.#dir, hash), {
      ...this.#context,
      userId: key.userId,
      ...(known.closing && { after: known.closing }),
      grew: () => this.#grew(key.userId),
    });
    return known.log;
  }

  /** Nothing is written to the log any more: what is kept of it in memory goes. Until `of` is called again. */
  forget(key: BotKey): void {
    const hash = botHash(key);
    const known = this.#logs.get(hash);
    const log = known?.log;
    if (known === undefined || log === undefined) return;
    known.kept = log.kept ?? known.kept;
    known.log = undefined;
    const warn = (error: unknown) => this.#context.logger.warn({ err: error }, 'the log of a bot could not be closed');
    known.closing = log.release().catch(warn);
    const gone = async () => {
      await known.closing;
      if (!(await this.has(key)) && known.log === undefined) this.#unknow(hash);
    };
    inBackground(gone(), warn);
  }

  /** Whether a log of the bot is on disk. */
  async has(key: BotKey): Promise<boolean> {
    return stat(join(this.#dir, botHash(key))).then(
      () => true,
      () => false,
    );
  }

  /** Drops what is too old, of bots that are here and of bots that were. Run it now and then. */
  async sweep(): Promise<void> {
    const { clock, limits, logger, ageNowMs = () => clock.wallMs() } = this.#context;
    const oldest = ageNowMs() - (limits ?? defaultLogLimits).maxAgeMs;
    for (const hash of await readdir(this.#dir)) {
      try {
        const log = this.#logs.get(hash)?.log;
        if (log) await log.sweep();
        else if ((await keptIn(join(this.#dir, hash))).newestMs < oldest) await this.#remove(hash);
      } catch (error) {
        logger.warn({ err: error, log: hash }, 'an old log could not be cleaned up');
      }
    }
  }

  /** Makes room at once, then sweeps every hour until aborted. */
  async keepSweeping(signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#context;
    const warn = (error: unknown) => logger.warn({ err: error }, 'old logs could not be cleaned up');
    await this.measure().catch(warn);
    while (!signal.aborted) {
      await this.sweep().catch(warn);
      await pause(clock, sweepMs, signal);
    }
  }

  /** Looks at what earlier processes have left, and makes room where it is too much. */
  async measure(): Promise<void> {
    const { logger } = this.#context;
    for (const hash of await readdir(this.#dir)) {
      const warn = (error: unknown) => logger.warn({ err: error, log: hash }, 'a log could not be measured');
      await this.#measureOne(hash).catch(warn);
    }
    for (const userId of [...this.#byUser.keys()]) await this.#bounding.run(() => this.#bound(userId));
  }

  async #measureOne(hash: string): Promise<void> {
    const dir = join(this.#dir, hash);
    const userId = this.#logs.get(hash)?.userId ?? (await readFileIfAny(join(dir, userFile)))?.toString() ?? '';
    // One of an earlier release, of a bot that is not here any more: it goes by age.
    if (userIdPattern.test(userId)) this.#know(hash, userId).kept = await keptIn(dir);
  }

  async close(): Promise<void> {
    this.#floodEnd?.close();
    await this.#bounding.idle();
    await Promise.all([...this.#logs.values()].map(({ log }) => log?.close()));
  }

  #know(hash: string, userId: string): KnownLog {
    const known = this.#logs.get(hash) ?? { userId, log: undefined, kept: undefined, closing: undefined };
    this.#logs.set(hash, known);
    const own = this.#byUser.get(userId) ?? new Set();
    this.#byUser.set(userId, own.add(hash));
    return known;
  }

  #unknow(hash: string): void {
    const userId = this.#logs.get(hash)?.userId ?? '';
    this.#logs.delete(hash);
    const own = this.#byUser.get(userId);
    own?.delete(hash);
    if (own?.size === 0) this.#byUser.delete(userId);
  }

  async #remove(hash: string): Promise<void> {
    await rm(join(this.#dir, hash), { recursive: true, force: true });
    if (this.#logs.get(hash)?.log === undefined) this.#unknow(hash);
  }

  #grew(userId: string): void {
    if (this.#toBound.has(userId)) return;
    this.#toBound.add(userId);
    const work = async () => {
      this.#toBound.delete(userId);
      await this.#bound(userId);
    };
    inBackground(this.#bounding.run(work), (error) => this.#complain(error));
  }

  async #bound(userId: string): Promise<void> {
    if (this.#mostBytesOfUser === Number.POSITIVE_INFINITY) return;
    const own = [...(this.#byUser.get(userId) ?? [])];
    const uses = own.flatMap((hash): LogUse[] => {
      const { log, kept } = this.#logs.get(hash) ?? {};
      const now = log?.kept ?? kept;
      return now === undefined ? [] : [{ hash, ...now, follows: log?.follows === true }];
    });
    for (const { hash, mostBytes } of planShrink(uses, this.#mostBytesOfUser)) {
      const known = this.#logs.get(hash);
      if (known?.log !== undefined) await known.log.shrink(mostBytes);
      else await this.#remove(hash);
    }
  }

  #complain(error: unknown): void {
    const { clock, logger } = this.#context;
    const nowMs = clock.monotonicMs();
    if (nowMs - this.#complainedAtMs < complainMs) return;
    this.#complainedAtMs = nowMs;
    logger.warn({ err: error }, unwritten);
  }
}

async function keptIn(dir: string): Promise<Kept> {
  const names = await readdir(dir);
  const files = await Promise.all(names.map((name) => stat(join(dir, name))));
  return {
    bytes: files.reduce((sum, { size }) => sum + size, 0),
    newestMs: Math.max(0, ...files.map(({ mtimeMs }) => mtimeMs)),
  };
}
