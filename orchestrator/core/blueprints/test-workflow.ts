/**
 * The test_workflow blueprint: one task, `process_data`, for a worker of any kind. What the users' guide runs without
 * Docker.
 *
 *   init -> process_data -> data_processed -> completed
 *                        -> process_data_failed -> failed
 */
import {
  abortedStep,
  type Blueprint,
  type JobEvent,
  type JobPlace,
  type Step,
  type Work,
  workOf,
} from './blueprint.ts';

const working = 'process_data';
const work: Work = { taskType: 'process_data', decides: null, goesTo: 'anyone' };

function step({ state }: Pick<JobPlace, 'state'>, event: JobEvent): Step | undefined {
  const waiting = state === 'init';
  const atWork = state === working;
  if (!waiting && !atWork && state !== 'unreadable') return undefined;
  switch (event.kind) {
    case 'begin':
      return waiting ? { status: 'running', path: [working], effects: [{ kind: 'dispatch', work }] } : undefined;
    case 'task_succeeded':
      return atWork ? { status: 'completed', path: ['data_processed', 'completed'], result: event.result } : undefined;
    case 'task_failed':
      return atWork ? { status: 'failed', path: ['process_data_failed', 'failed'], problem: event.problem } : undefined;
    case 'answered':
      return undefined;
    case 'aborted':
      return abortedStep(event.problem, ['failed']);
  }
}

export const testWorkflow: Blueprint = {
  name: 'test_workflow',
  initialState: 'init',
  step,
  workIn: (state) => workOf({ [working]: work }, state),
};
