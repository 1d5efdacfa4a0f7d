/** The logs of all bots, each in its own folder. Logs outlive their bots' containers, and go by age. */
import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type BotKey, botHash } from '#common/ids.ts';
import { pause } from '#common/waiting/bell.ts';
import { Semaphore } from '#common/waiting/semaphore.ts';
import { BotLog, type BotLogContext } from './bot-log.ts';
import { FloodEnd } from './flood-end.ts';
import { defaultLogLimits } from './log-store.ts';

const sweepMs = 3600_000;
// One reads while another one writes; more would only make the rest of the worker wait.
const floodsAtOnce = 2;

export class BotLogs {
  readonly #dir: string;
  readonly #context: BotLogContext;
  readonly #logs = new Map<string, BotLog>();

  readonly #floodEnd: FloodEnd | undefined;

  /** `collectGarbage` is called when a flood of output is over. */
  constructor(dir: string, context: BotLogContext, collectGarbage?: () => void) {
    this.#dir = dir;
    this.#floodEnd = collectGarbage && new FloodEnd(context.clock, collectGarbage);
    const floodTurns = new Semaphore(floodsAtOnce);
    this.#context = { ...context, floodTurns, ...(this.#floodEnd && { floodEnd: this.#floodEnd }) };
  }

  of(key: BotKey): BotLog {
    const hash = botHash(key);
    let log = this.#logs.get(hash);
    if (!log) {
      log = new BotLog(join(this.#dir, hash), this.#context);
      this.#logs.set(hash, log);
    }
    return log;
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
        const log = this.#logs.get(hash);
        if (log) await log.sweep();
        else if ((await newestChange(join(this.#dir, hash))) < oldest) {
          await rm(join(this.#dir, hash), { recursive: true, force: true });
        }
      } catch (error) {
        logger.warn({ err: error, log: hash }, 'an old log could not be cleaned up');
      }
    }
  }

  /** Sweeps every hour until aborted. */
  async keepSweeping(signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#context;
    while (!signal.aborted) {
      await this.sweep().catch((error: unknown) => logger.warn({ err: error }, 'old logs could not be cleaned up'));
      await pause(clock, sweepMs, signal);
    }
  }

  async close(): Promise<void> {
    this.#floodEnd?.close();
    await Promise.all([...this.#logs.values()].map((log) => log.close()));
  }
}

async function newestChange(dir: string): Promise<number> {
  const names = await readdir(dir);
  const times = await Promise.all(names.map(async (name) => (await stat(join(dir, name))).mtimeMs));
  return Math.max(0, ...times);
}
