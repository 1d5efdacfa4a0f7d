/**
 * The action `move` of bot_runner, which only the orchestrator itself begins: from one worker to another without overlap.
 *
 *   init -> move_out (stop there) -> move_in (start elsewhere) -> bot_moved -> completed
 */
import type { JobEvent, Step } from './blueprint.ts';

export function moveStep(state: string, event: JobEvent): Step | undefined {
  const working = state === 'move_out' || state === 'move_in';
  if (!working && state !== 'init') return undefined;
  switch (event.kind) {
    case 'begin':
      return state === 'init' ? dispatch('move_out', 'stop_bot') : undefined;
    case 'task_succeeded':
      if (state === 'move_out') return dispatch('move_in', 'start_bot');
      return state === 'move_in'
        ? { status: 'completed', path: ['bot_moved', 'completed'], result: event.result }
        : undefined;
    case 'answered':
      return undefined;
    case 'task_failed':
      return working ? { status: 'failed', path: [`${state}_failed`, 'failed'], problem: event.problem } : undefined;
    case 'aborted': {
      const path = working ? [`${state}_failed`, 'failed'] : ['failed'];
      return { status: event.problem.code === 'CANCELLED' ? 'cancelled' : 'failed', path, problem: event.problem };
    }
  }
}

const dispatch = (state: string, taskType: string): Step => ({
  status: 'running',
  path: [state],
  effects: [{ kind: 'dispatch', taskType }],
});
