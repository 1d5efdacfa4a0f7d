/** Whether a task has reached what it is for. Pure. */
import { type Problem, problem } from '#common/problem.ts';
import { failureOf, type Making } from './bot-memory.ts';
import type { KeptBot } from './bot-records.ts';
import { needsContainer, type Settled, type Situation } from './converge.ts';

export type Judgement =
  | { readonly kind: 'pending' }
  /** `endedInWatch`: the bot ended while start still watched it; its last lines belong to the result. */
  | { readonly kind: 'succeeded'; readonly endedInWatch: boolean }
  | { readonly kind: 'failed'; readonly problem: Problem };

const pending: Judgement = { kind: 'pending' };
const succeeded: Judgement = { kind: 'succeeded', endedInWatch: false };

/** What explains that a task is not done: the transient failures of the last tries, and what is in the way. */
export interface Setbacks {
  readonly trouble: string;
  readonly making: Making;
  /** What is said of a container of the bot that is not this worker's. */
  readonly strayReason: string;
}

export function judgeTask(
  situation: Situation,
  record: KeptBot,
  expired: boolean,
  { trouble, making, strayReason }: Setbacks,
): Judgement {
  const { desired, container, watchUntilMs, preparing, cleaned } = situation;
  if (!desired) return pending;
  if (container === 'none' && mustDecide(situation)) return { kind: 'failed', problem: notOwned(strayReason) };
  if (desired.kind !== 'running') {
    const done = container === 'none' && (desired.kind === 'stopped' || cleaned);
    if (done) return succeeded;
    return expired
      ? { kind: 'failed', problem: deadlineProblem('The bot was not stopped in time.', trouble) }
      : pending;
  }
  if (situation.gate === 'closed' && needsContainer(situation)) return { kind: 'failed', problem: unsafe() };
  const failure = failureOf(record);
  if (failure) return { kind: 'failed', problem: failure.problem };
  if (typeof container !== 'string' && container.revision === desired.revision) {
    const started = record.startedGeneration >= desired.generation;
    if (started && container.status === 'running') return watchUntilMs === undefined ? succeeded : pending;
    if (started && container.settled && !isBlameless(record, container.settled)) {
      return { kind: 'succeeded', endedInWatch: true };
    }
  }
  if (!expired) return pending;
  return { kind: 'failed', problem: lateStart(preparing !== undefined, trouble, making) };
}

/** The engine or the worker went away while it was watched: it is started again, and judged by that. */
const isBlameless = ({ settledEnd }: KeptBot, settled: Settled): boolean =>
  settled.kind === 'crash_loop' && settledEnd?.blameless === true;

function lateStart(preparing: boolean, trouble: string, { failures, problem: last, trouble: why }: Making): Problem {
  if (last !== undefined) {
    return { ...last, message: `${last.message} It was attempted ${failures} times until the job's deadline.` };
  }
  if (failures > 0) return deadlineProblem('The bot was not started in time.', why);
  if (preparing) return problem('BUILD_TIMEOUT', 'The image of the bot was not ready before the deadline.');
  return deadlineProblem('The bot was not started in time.', trouble);
}

/** Whether the task cannot be done beside a container of the bot that is not this worker's. One that has ended is stopped. */
const mustDecide = ({ desired, stray }: Situation): boolean =>
  stray === 'running' || (stray === 'ended' && desired?.kind !== 'stopped');

const notOwned = (strayReason: string): Problem =>
  problem('CONTAINER_NOT_OWNED', `Nothing was done to the bot: ${strayReason}`);

/** For the bot's user: nothing of it says what is wrong with this machine. */
const unsafe = (): Problem =>
  problem('SAFETY_CHECK_FAILED', 'No new bots are started on this worker now, because one of its safety checks fails.');

const deadlineProblem = (message: string, trouble: string): Problem =>
  trouble ? problem('CONTAINER_ERROR', `${message} ${sentence(trouble)}`) : problem('DEADLINE_EXCEEDED', message);

const sentence = (text: string): string => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
