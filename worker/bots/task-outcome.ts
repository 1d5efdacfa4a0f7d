/** Whether a task has reached what it is for. Pure. */
import { type Problem, problem } from '#common/problem.ts';
import type { BotRecord } from '../state/bot-records.ts';
import { failureOf } from './bot-memory.ts';
import type { Situation } from './converge.ts';

export type Judgement =
  | { readonly kind: 'pending' }
  /** `endedInWatch`: the bot ended while start still watched it; its last lines belong to the result. */
  | { readonly kind: 'succeeded'; readonly endedInWatch: boolean }
  | { readonly kind: 'failed'; readonly problem: Problem };

const pending: Judgement = { kind: 'pending' };
const succeeded: Judgement = { kind: 'succeeded', endedInWatch: false };

/** `trouble`: why the last try failed in passing; it explains a deadline that passed. */
export function judgeTask(situation: Situation, record: BotRecord, expired: boolean, trouble: string): Judgement {
  const { desired, container, watchUntilMs, preparing, cleaned } = situation;
  if (!desired) return pending;
  if (desired.kind !== 'running') {
    const done = container === 'none' && (desired.kind === 'stopped' || cleaned);
    if (done) return succeeded;
    return expired
      ? { kind: 'failed', problem: deadlineProblem('The bot was not stopped in time.', trouble) }
      : pending;
  }
  const failure = failureOf(record);
  if (failure) return { kind: 'failed', problem: failure.problem };
  if (typeof container !== 'string' && container.revision === desired.revision) {
    const started = record.startedGeneration >= desired.generation;
    if (started && container.status === 'running') return watchUntilMs === undefined ? succeeded : pending;
    if (started && container.settled) return { kind: 'succeeded', endedInWatch: true };
  }
  if (!expired) return pending;
  const late =
    preparing !== undefined
      ? problem('BUILD_TIMEOUT', 'The image of the bot was not ready before the deadline.')
      : deadlineProblem('The bot was not started in time.', trouble);
  return { kind: 'failed', problem: late };
}

const deadlineProblem = (message: string, trouble: string): Problem =>
  trouble ? problem('CONTAINER_ERROR', `${message} ${sentence(trouble)}`) : problem('DEADLINE_EXCEEDED', message);

const sentence = (text: string): string => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
