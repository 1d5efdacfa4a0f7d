/**
 * The bot_runner blueprint. Every action has one working state between init and its end:
 *
 *   init -> start_bot -> bot_started -> completed
 *                     -> start_bot_failed -> failed
 */
import type { Action } from '../validate/bot-request.ts';
import type { Blueprint, Effect, JobEvent, Step } from './blueprint.ts';
import { moveStep } from './bot-move.ts';

interface Route {
  readonly working: string;
  readonly done: string;
  readonly effect: Effect;
}

const task = (taskType: string): Effect => ({ kind: 'dispatch', taskType });

const routes: Readonly<Record<Action, Route>> = {
  start: { working: 'start_bot', done: 'bot_started', effect: task('start_bot') },
  update: { working: 'update_bot', done: 'bot_updated', effect: task('update_bot') },
  restart: { working: 'restart_bot', done: 'bot_restarted', effect: task('restart_bot') },
  stop: { working: 'stop_bot', done: 'bot_stopped', effect: task('stop_bot') },
  delete: { working: 'delete_bot', done: 'bot_deleted', effect: task('delete_bot') },
  logs: { working: 'get_logs', done: 'logs_ready', effect: { kind: 'read', what: 'logs' } },
  list: { working: 'list_bots', done: 'bots_listed', effect: { kind: 'read', what: 'list' } },
  status: { working: 'check_status', done: 'status_checked', effect: { kind: 'read', what: 'status' } },
};

const isAction = (action: string): action is Action => Object.hasOwn(routes, action);

function step(job: { readonly state: string; readonly action: string }, event: JobEvent): Step | undefined {
  if (job.action === 'move') return moveStep(job.state, event);
  if (!isAction(job.action)) throw new Error(`bot_runner has no action ${job.action}`);
  const route = routes[job.action];
  const waiting = job.state === 'init';
  const working = job.state === route.working;
  if (!waiting && !working) return undefined;
  switch (event.kind) {
    case 'begin':
      return waiting ? { status: 'running', path: [route.working], effects: [route.effect] } : undefined;
    case 'task_succeeded':
    case 'answered':
      return working ? { status: 'completed', path: [route.done, 'completed'], result: event.result } : undefined;
    case 'task_failed':
      return working
        ? { status: 'failed', path: [`${route.working}_failed`, 'failed'], problem: event.problem }
        : undefined;
    case 'aborted': {
      const path = working ? [`${route.working}_failed`, 'failed'] : ['failed'];
      return { status: event.problem.code === 'CANCELLED' ? 'cancelled' : 'failed', path, problem: event.problem };
    }
  }
}

export const botRunner: Blueprint = { name: 'bot_runner', initialState: 'init', step };
