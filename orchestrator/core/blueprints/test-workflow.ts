/**
 * The test_workflow blueprint: one task, `process_data`, for a worker of any kind. What the users' guide runs without
 * Docker.
 *
 *   init -> process_data -> data_processed -> completed
 *                        -> process_data_failed -> failed
 */
import type { Blueprint, JobEvent, Step } from './blueprint.ts';

const working = 'process_data';

function step(job: { readonly state: string }, event: JobEvent): Step | undefined {
  const waiting = job.state === 'init';
  const atWork = job.state === working;
  if (!waiting && !atWork) return undefined;
  switch (event.kind) {
    case 'begin':
      return waiting
        ? { status: 'running', path: [working], effects: [{ kind: 'dispatch', taskType: 'process_data' }] }
        : undefined;
    case 'task_succeeded':
      return atWork ? { status: 'completed', path: ['data_processed', 'completed'], result: event.result } : undefined;
    case 'task_failed':
      return atWork ? { status: 'failed', path: ['process_data_failed', 'failed'], problem: event.problem } : undefined;
    case 'answered':
      return undefined;
    case 'aborted':
      return {
        status: event.problem.code === 'CANCELLED' ? 'cancelled' : 'failed',
        path: ['failed'],
        problem: event.problem,
      };
  }
}

export const testWorkflow: Blueprint = { name: 'test_workflow', initialState: 'init', step };
