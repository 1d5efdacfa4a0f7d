/**
 * How long a start is watched, to see whether the bot stays up. Two seconds show most failures, but a bot with large
 * libraries is still importing then: aiogram takes 2.5 s of a whole core, and a bot has half of one, less on a busy host.
 * So a bot that is busy is watched on, until it is idle or has used more CPU time than an import takes.
 */
import type { ContainerRuntime } from '../runtime/container-runtime.ts';
import type { BotContext } from './bot-context.ts';

const watchMs = 2000;
const longestWatchMs = 30_000;
const longestBusyMs = 5000;
/** An engine that has gone silent says nothing about the bot. */
const staleMs = 3000;
const prolongedByMs = 1000;
/** A share of the CPU it may have. A bot waiting for messages uses next to nothing, and a busy one gets little on a busy host. */
const busyFrom = 0.1;

interface Sample {
  readonly atMs: number;
  readonly usedMs: number;
}

export class StartWatch {
  /** Started by the restart policy. */
  readonly again: boolean;
  readonly #latestMs: number;
  readonly #cores: number;
  readonly #ended = new AbortController();
  #untilMs: number;
  #samples: readonly Sample[];

  /** `cores`: what the bot may use, where a runtime holds it to that. */
  constructor(nowMs: number, again: boolean, cores: number) {
    this.again = again;
    this.#untilMs = nowMs + watchMs;
    this.#latestMs = nowMs + longestWatchMs;
    this.#cores = Math.min(1, cores);
    this.#samples = [{ atMs: nowMs, usedMs: 0 }];
  }

  /** Monotonic. */
  get untilMs(): number {
    return this.#untilMs;
  }

  /** Takes samples of the container's CPU time until the watch or the actor ends. */
  async measure(id: string, { runtime, clock, logger }: CpuSource, signal: AbortSignal): Promise<void> {
    const take = (usedMs: number) => {
      this.#samples = [...this.#samples, { atMs: clock.monotonicMs(), usedMs }].slice(-2);
    };
    try {
      await runtime.watchCpu(id, take, AbortSignal.any([signal, this.#ended.signal]));
    } catch (error) {
      // A watch without samples lasts its two seconds.
      logger.debug({ err: error }, 'the CPU time of a starting bot cannot be read');
    }
  }

  /** Asked when its time is over and the bot runs: true when the bot is still busy, and is watched on. */
  prolong(nowMs: number): boolean {
    const [before, last] = this.#samples;
    if (before === undefined || last === undefined) return false;
    if (last.usedMs >= longestBusyMs || nowMs >= this.#latestMs || nowMs - last.atMs > staleMs) return false;
    const share = (last.usedMs - before.usedMs) / Math.max(1, last.atMs - before.atMs);
    if (share < busyFrom * this.#cores) return false;
    this.#untilMs = Math.min(nowMs + prolongedByMs, this.#latestMs);
    return true;
  }

  end(): void {
    this.#ended.abort();
  }
}

interface CpuSource extends Pick<BotContext, 'clock' | 'logger'> {
  readonly runtime: Pick<ContainerRuntime, 'watchCpu'>;
}
