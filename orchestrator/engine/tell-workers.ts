/** Tells of workers that are seen differently now, and of bots that look different by it. In the caller's transaction. */
import type { WorkerStatus } from '../core/records.ts';
import type { Change } from './change.ts';
import type { EngineContext } from './context.ts';

export function tellWorkers(context: EngineContext, change: Change, workers: readonly WorkerStatus[]): void {
  for (const worker of workers) {
    change.tellWorker(worker);
    for (const bot of change.tx.bots.ofWorker(worker.workerId)) {
      const last = change.tx.outbox.latestOfBot(bot)?.body;
      const told = last?.kind === 'bot' ? last.bot.state : undefined;
      // A state of `unknown` stands in no row: it was told, and is taken back, by an event alone.
      if (told !== undefined && told !== context.fleet.view(bot).state) change.tellBot(bot);
    }
  }
}
