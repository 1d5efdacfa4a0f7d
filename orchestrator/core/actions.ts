/**
 * What there is to know of the actions of bot_runner: one row each, and every list of actions is made from it. Pure. How an action
 * goes, step by step, is in blueprints/.
 */

export interface ActionRow {
  /** Who begins it: a user, or the orchestrator alone. */
  readonly begunBy: 'user' | 'orchestrator';
  /** What has to exist: nothing, a bot that is not deleted, or one that also has a spec. */
  readonly needs: 'nothing' | 'bot' | 'spec';
  /** Which of the two deadlines of the settings its job has. */
  readonly deadline: 'deployment' | 'other';
  /** Whether its bot has a place in the quota while the job is open. */
  readonly takesPlace: boolean;
  /** Whether its bot should run when the job has ended: a worker with room is needed. */
  readonly deploys: boolean;
  /** Whether it brings a spec, whole or in part, so that the bot has another one afterwards. */
  readonly replaces: boolean;
  /** What it reads, if it only reads; null for an action that changes the bot: only one such job is at work at a time. */
  readonly reads: 'list' | 'status' | 'logs' | 'config' | null;
  /** Whether it ends the other open jobs of the bot instead of waiting for them. */
  readonly endsOthers: boolean;
  /**
   * What becomes of the bot when the job fails: it goes back to what was desired before (`before`), the decision stays and is
   * carried out when that is possible (`stands`), it goes back to the worker it was on (`home`), or there is nothing to undo.
   */
  readonly undo: 'before' | 'stands' | 'home' | 'nothing';
}

const deployment = { deadline: 'deployment', deploys: true, reads: null, endsOthers: false } as const;
const ending = {
  begunBy: 'user',
  needs: 'bot',
  deadline: 'other',
  takesPlace: false,
  deploys: false,
  replaces: false,
  reads: null,
  endsOthers: true,
  undo: 'stands',
} as const;
const reading = {
  begunBy: 'user',
  deadline: 'other',
  takesPlace: false,
  deploys: false,
  replaces: false,
  endsOthers: false,
  undo: 'nothing',
} as const;

const rows = {
  start: { ...deployment, begunBy: 'user', needs: 'nothing', takesPlace: true, replaces: true, undo: 'before' },
  stop: ending,
  logs: { ...reading, needs: 'bot', reads: 'logs' },
  list: { ...reading, needs: 'nothing', reads: 'list' },
  status: { ...reading, needs: 'nothing', reads: 'status' },
  update: { ...deployment, begunBy: 'user', needs: 'bot', takesPlace: true, replaces: true, undo: 'before' },
  restart: { ...deployment, begunBy: 'user', needs: 'spec', takesPlace: true, replaces: false, undo: 'before' },
  // Its bot has a place if it runs; one that does not run is not started.
  configure: { ...deployment, begunBy: 'user', needs: 'spec', takesPlace: false, replaces: true, undo: 'before' },
  config: { ...reading, needs: 'spec', reads: 'config' },
  delete: ending,
  // Its bot already has a place, because it should run throughout.
  move: { ...deployment, begunBy: 'orchestrator', needs: 'spec', takesPlace: false, replaces: false, undo: 'home' },
} as const satisfies Readonly<Record<string, ActionRow>>;

export type BotAction = keyof typeof rows;

/** Those that a user may ask for, in the order in which people see them. */
export const actions = [
  'start',
  'stop',
  'logs',
  'list',
  'status',
  'update',
  'restart',
  'configure',
  'config',
  'delete',
] as const;
export type Action = (typeof actions)[number];

/** The action of a job: empty for blueprints without actions, `unreadable` when its row says none that is known here. */
export type JobAction = BotAction | '' | 'unreadable';

const none: ActionRow = { ...reading, begunBy: 'orchestrator', needs: 'nothing', reads: null };
// Its bot may have something to go back to.
const unreadable: ActionRow = { ...none, undo: 'before' };

/** The row of an action. A job without one, or with one that cannot be read, does none of that. */
export function rowOf(action: JobAction): ActionRow {
  if (action === '') return none;
  return action === 'unreadable' ? unreadable : rows[action];
}

const names = Object.keys(rows) as BotAction[]; // the keys of an object literal

/** What brings a spec, and may take Telegram tokens over. */
const deployments = ['start', 'update', 'configure'] as const;
export type DeployAction = (typeof deployments)[number];

export const isDeployment = <T extends { readonly action: JobAction }>(
  input: T,
): input is Extract<T, { readonly action: DeployAction }> => deployments.some((action) => action === input.action);

export const isBotAction = (action: string): action is BotAction => Object.hasOwn(rows, action);

/** All actions whose row is as asked, for queries of the store. */
export const actionsThat = (is: (row: ActionRow) => boolean): readonly BotAction[] =>
  names.filter((name) => is(rows[name]));

/** Whether it changes its bot: the jobs of one bot that do run one after the other. */
export const changesBot = (action: JobAction): action is Exclude<BotAction, 'logs' | 'list' | 'status' | 'config'> =>
  isBotAction(action) && rows[action].reads === null;
