/**
 * What a failed start or update left of its bot: readers of the error want to know whether the previous version still runs.
 * Pure.
 */
import type { Problem } from '#common/problem.ts';
import { rowOf } from './actions.ts';
import type { BotRecord, JobRecord } from './records.ts';

/** For people and, as details.former_version, for programs. */
const sentences = {
  running: 'The previous version is still running.',
  kept: 'The previous version is kept.',
  crash_loop: 'The previous version is back in its crash loop.',
  not_running: 'The previous version was not running, and still is not.',
} as const;

/**
 * The problem with that added; as it is where there was no version before. `before` and `after` are the bot before and
 * after the job was given up; `workerSaid`: its worker ended the job and has left the version before alone.
 */
export function tellFormer(
  problem: Problem,
  job: Pick<JobRecord, 'action'>,
  { before, after, workerSaid }: { before: BotRecord | undefined; after: BotRecord | undefined; workerSaid: boolean },
): Problem {
  const revision = before?.undo?.revision ?? after?.revision ?? 0;
  if (!rowOf(job.action).replaces || after === undefined || after.specSealed === null || revision === 0) return problem;
  // Its own message already says so.
  if (problem.code === 'UPDATE_ROLLED_BACK') return problem;
  const former = stateOf(before, after, workerSaid);
  return {
    ...problem,
    message: `${problem.message.replace(/[^.!?]$/, '$&.')} ${sentences[former]}`,
    details: { ...problem.details, former_version: former },
  };
}

function stateOf(before: BotRecord | undefined, after: BotRecord, workerSaid: boolean): keyof typeof sentences {
  if (after.desired !== 'running') return 'not_running';
  const wasUp = before?.undo?.wasUp ?? after.state === 'running';
  if (wasUp) return workerSaid ? 'running' : 'kept';
  return after.state === 'crash_loop' ? 'crash_loop' : 'kept';
}
