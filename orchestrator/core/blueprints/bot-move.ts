/**
 * The action `move` of bot_runner, which only the orchestrator itself begins: from one worker to another without overlap.
 *
 *   init -> move_out (stop there) -> move_in (start elsewhere) -> bot_moved -> completed
 */
import { failedState, type JobState } from '../job-states.ts';
import { abortedStep, type JobEvent, type Step, type Work } from './blueprint.ts';

export function moveStep(
  state: JobState,
  event: JobEvent,
  works: { readonly out: Work; readonly in: Work },
): Step | undefined {
  const working = state === 'move_out' || state === 'move_in';
  if (!working && state !== 'init' && state !== 'unreadable') return undefined;
  switch (event.kind) {
    case 'begin':
      return state === 'init' ? dispatch('move_out', works.out) : undefined;
    case 'task_succeeded':
      if (state === 'move_out') return dispatch('move_in', works.in);
      return state === 'move_in'
        ? { status: 'completed', path: ['bot_moved', 'completed'], result: event.result }
        : undefined;
    case 'answered':
      return undefined;
    case 'task_failed':
      return working ? { status: 'failed', path: [failedState(state), 'failed'], problem: event.problem } : undefined;
    case 'aborted':
      return abortedStep(event.problem, working ? [failedState(state), 'failed'] : ['failed']);
  }
}

const dispatch = (state: 'move_out' | 'move_in', work: Work): Step => ({
  status: 'running',
  path: [state],
  effects: [{ kind: 'dispatch', work }],
});
