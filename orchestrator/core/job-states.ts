/**
 * The states a job goes through, as people see them in `state`. Which follows which is in blueprints/; what a program has to know
 * of a job is its status. Pure.
 */

/** The job is at work: a task is with a worker or waits for one, or an answer is being read. */
export const workingStates = [
  'start_bot',
  'update_bot',
  'restart_bot',
  'configure_bot',
  'stop_bot',
  'delete_bot',
  'move_out',
  'move_in',
  'get_logs',
  'list_bots',
  'check_status',
  'get_config',
  'process_data',
] as const;
export type WorkingState = (typeof workingStates)[number];

const doneStates = [
  'bot_started',
  'bot_updated',
  'bot_restarted',
  'bot_configured',
  'bot_stopped',
  'bot_deleted',
  'bot_moved',
  'logs_ready',
  'bots_listed',
  'status_checked',
  'config_ready',
  'data_processed',
] as const;
export type DoneState = (typeof doneStates)[number];

export type FailedState = `${WorkingState}_failed`;

/** `unreadable`: its row has a state that is unknown here. */
export type JobState = 'init' | WorkingState | DoneState | FailedState | 'completed' | 'failed' | 'unreadable';

export const failedState = (state: WorkingState): FailedState => `${state}_failed`;

export const jobStates: readonly JobState[] = [
  'init',
  ...workingStates,
  ...doneStates,
  ...workingStates.map(failedState),
  'completed',
  'failed',
];
