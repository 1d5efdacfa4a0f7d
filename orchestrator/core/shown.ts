/** What an event keeps of a bot and of a job: no spec, no input, and nothing large. Pure. */
import { rowOf } from './actions.ts';
import type { BotRecord, JobRecord, ShownBot, ShownJob } from './records.ts';

/** An event is a hint, not the answer: GetJob has the whole result. Far below what NATS takes (1 MiB by default). */
const resultMaxBytes = 16 * 1024;

export function shownBot(bot: BotRecord): ShownBot {
  const { specSealed: _spec, undo: _undo, purge: _purge, pendingTask: _pending, ...shown } = bot;
  return shown;
}

export function shownJob(job: JobRecord): ShownJob {
  const { specSealed: _spec, params: _params, ...shown } = job;
  const { result, error } = shown;
  // The answer of a read (a log, a list) is not a change, and goes only to the one who asked.
  const left = rowOf(job.action).reads !== null || isLarge(result);
  return {
    ...shown,
    result: left ? null : result,
    error: error !== null && isLarge(error.details) ? { ...error, details: {} } : error,
  };
}

const isLarge = (value: unknown): boolean => Buffer.byteLength(JSON.stringify(value)) > resultMaxBytes;
