/**
 * The bot_runner blueprint. Every action has one working state between init and its end:
 *
 *   init -> start_bot -> bot_started -> completed
 *                     -> start_bot_failed -> failed
 *
 * but `move`, which has two (bot-move.ts). What a working state decides about the bot, and who gets its task, is listed in `works`.
 */
import { type BotAction, isBotAction } from '../actions.ts';
import { type DoneState, failedState, type WorkingState } from '../job-states.ts';
import {
  abortedStep,
  type Blueprint,
  type Effect,
  type JobEvent,
  type JobPlace,
  type Step,
  type Work,
  workOf,
} from './blueprint.ts';
import { moveStep } from './bot-move.ts';

const works = {
  start_bot: { taskType: 'start_bot', decides: 'deploy', goesTo: 'best' },
  update_bot: { taskType: 'update_bot', decides: 'deploy', goesTo: 'best' },
  // Workers in other languages know no task of its own: to them it is an update.
  configure_bot: { taskType: 'update_bot', decides: 'configure', goesTo: 'best' },
  restart_bot: { taskType: 'restart_bot', decides: 'restart', goesTo: 'best' },
  stop_bot: { taskType: 'stop_bot', decides: 'stop', goesTo: 'its_worker' },
  delete_bot: { taskType: 'delete_bot', decides: 'remove', goesTo: 'its_worker' },
  move_out: { taskType: 'stop_bot', decides: 'move', goesTo: 'its_worker' },
  move_in: { taskType: 'start_bot', decides: 'move', goesTo: 'another' },
} as const satisfies Partial<Record<WorkingState, Work>>;

interface Route {
  readonly working: WorkingState;
  readonly done: DoneState;
  readonly effect: Effect;
}

const task = (working: keyof typeof works, done: DoneState): Route => ({
  working,
  done,
  effect: { kind: 'dispatch', work: works[working] },
});

const routes: Readonly<Record<Exclude<BotAction, 'move'>, Route>> = {
  start: task('start_bot', 'bot_started'),
  update: task('update_bot', 'bot_updated'),
  restart: task('restart_bot', 'bot_restarted'),
  configure: task('configure_bot', 'bot_configured'),
  stop: task('stop_bot', 'bot_stopped'),
  delete: task('delete_bot', 'bot_deleted'),
  logs: { working: 'get_logs', done: 'logs_ready', effect: { kind: 'read', what: 'logs' } },
  list: { working: 'list_bots', done: 'bots_listed', effect: { kind: 'read', what: 'list' } },
  status: { working: 'check_status', done: 'status_checked', effect: { kind: 'read', what: 'status' } },
  config: { working: 'get_config', done: 'config_ready', effect: { kind: 'read', what: 'config' } },
};

function step({ state, action }: JobPlace, event: JobEvent): Step | undefined {
  if (action === 'move') return moveStep(state, event, { out: works.move_out, in: works.move_in });
  // One that cannot be read, and one in a state that cannot, can only end.
  if (!isBotAction(action) || state === 'unreadable') {
    return event.kind === 'aborted' ? abortedStep(event.problem, ['failed']) : undefined;
  }
  const route = routes[action];
  const waiting = state === 'init';
  const working = state === route.working;
  if (!waiting && !working) return undefined;
  switch (event.kind) {
    case 'begin':
      return waiting ? { status: 'running', path: [route.working], effects: [route.effect] } : undefined;
    case 'task_succeeded':
    case 'answered':
      return working ? { status: 'completed', path: [route.done, 'completed'], result: event.result } : undefined;
    case 'task_failed':
      return working
        ? { status: 'failed', path: [failedState(route.working), 'failed'], problem: event.problem }
        : undefined;
    case 'aborted':
      return abortedStep(event.problem, working ? [failedState(route.working), 'failed'] : ['failed']);
  }
}

export const botRunner: Blueprint = {
  name: 'bot_runner',
  initialState: 'init',
  step,
  workIn: (state) => workOf(works, state),
};
