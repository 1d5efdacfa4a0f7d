/**
 * Empties a worker: cordons it, then moves its running bots away one after the other. Each move is a job of its own, which
 * continues if the caller of the drain leaves; a drain that was broken off is simply begun again.
 */
import type { Clock } from '#common/clock.ts';
import type { BotKey } from '#common/ids.ts';
import { Bell } from '#common/waiting/bell.ts';
import { isFinal, type JobRecord } from '../core/records.ts';
import type { Engine } from '../engine/engine.ts';
import type { Store } from '../store/store.ts';
import { wantBot, wantBotsOfWorker, wantWorker } from '../store/want.ts';

export interface DrainDeps {
  readonly store: Store;
  readonly engine: Engine;
  readonly clock: Clock;
}

export interface DrainStep extends BotKey {
  readonly outcome: 'moving' | 'moved' | 'stays';
  /** Where the bot is now; empty when it is nowhere. */
  readonly workerId: string;
  readonly reason: string;
}

// A job's watchers are notified when it changes; this only bounds the wait should that ever be missed.
const lookAgainMs = 5_000;

export class Drain {
  readonly #deps: DrainDeps;

  constructor(deps: DrainDeps) {
    this.#deps = deps;
  }

  /** One step after the other until no running bot is left that can go. The worker is cordoned first. */
  async *run(workerId: string, signal: AbortSignal): AsyncGenerator<DrainStep> {
    const { store, engine } = this.#deps;
    await store.change([wantWorker(workerId)], (tx) => tx.workers.setCordoned(workerId, true));
    const bots = await store.look([wantBotsOfWorker(workerId)], (tx) => inOrder(tx.bots.ofWorker(workerId)));
    for (const key of bots) {
      if (signal.aborted) return;
      const begun = await engine.moveAway(key, workerId);
      if (begun.kind === 'gone') continue;
      if (begun.kind === 'stays') {
        yield { ...key, outcome: 'stays', workerId, reason: begun.reason };
        continue;
      }
      const keepsData = await store.look([], (tx) => tx.botVolumes.workersOf(key).includes(workerId));
      yield { ...key, outcome: 'moving', workerId, reason: keepsData ? `its data stays on ${workerId}` : '' };
      const job = await this.#ended(begun.jobId, signal);
      if (job !== undefined) yield await this.#howItWent(key, workerId, job);
    }
  }

  async #howItWent(key: BotKey, from: string, job: JobRecord): Promise<DrainStep> {
    const bot = await this.#deps.store.look([wantBot(key)], (tx) => tx.bots.get(key));
    const now = bot?.workerId ?? '';
    if (job.status === 'completed') {
      const reason = job.result?.['status'] === 'moved' ? '' : `it is ${String(job.result?.['status'])} there`;
      return { ...key, outcome: 'moved', workerId: now, reason };
    }
    const why = job.error?.message ?? 'the move did not succeed';
    return { ...key, outcome: now === from ? 'stays' : 'moved', workerId: now, reason: why };
  }

  /** The job once it is final; undefined on abort. */
  async #ended(jobId: string, signal: AbortSignal): Promise<JobRecord | undefined> {
    const { engine, clock, store } = this.#deps;
    const changes = new Bell();
    const stopListening = store.onEvents(() => changes.ring());
    try {
      for (;;) {
        const job = await engine.findJob(jobId);
        if (job === undefined || isFinal(job.status)) return job;
        if ((await changes.wait({ clock, afterMs: lookAgainMs, signal })) === 'aborted') return undefined;
      }
    } finally {
      stopListening();
    }
  }
}

const inOrder = (bots: readonly BotKey[]): readonly BotKey[] =>
  bots
    .map(({ userId, botId }) => ({ userId, botId }))
    .sort((a, b) => (`${a.userId} ${a.botId}` < `${b.userId} ${b.botId}` ? -1 : 1));
