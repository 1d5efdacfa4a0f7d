/**
 * The input of a job, by action, without its spec: what the doors make of a request, and what the store keeps of it as JSON. It is read
 * once, here, and typed from then on. Pure. Never holds a secret.
 */
import type { BotKey } from '#common/ids.ts';
import type { Json, JsonObject } from '#common/json.ts';
import { type DeployAction, isBotAction } from './actions.ts';
import { noChange, type SpecChange } from './validate/bot-request.ts';

/** A bot that was stopped because another one takes its Telegram token over, and the decision that this was. */
export interface StoppedHolder extends BotKey {
  readonly generation: number;
}

export interface DeployParams {
  /** Bots that have its Telegram token are stopped for it. */
  readonly takeover: boolean;
  /** What it takes from what the bot has. */
  readonly change: SpecChange;
  /** The bots that were stopped for it so far. */
  readonly stopped: readonly StoppedHolder[];
  /** What was changed in the source to move its Telegram token into the environment, a line each. */
  readonly moved: readonly string[];
  /** What its user should know of the source, a line each. */
  readonly warnings: readonly string[];
  /** Whether its bot was given the tokens after those had released them: from then on it may run. */
  readonly gotTokens: boolean;
}

export interface NoParams {
  readonly [key: string]: never;
}

export type JobInput =
  | { readonly action: DeployAction; readonly params: DeployParams }
  | { readonly action: 'restart' | 'list' | 'status' | 'config' | 'unreadable'; readonly params: NoParams }
  /** `notice`: why the orchestrator itself stops the bot; usually empty. */
  | { readonly action: 'stop'; readonly params: { readonly notice: string } }
  /** `purge`: the data volume goes too. */
  | { readonly action: 'delete'; readonly params: { readonly purge: boolean } }
  | { readonly action: 'logs'; readonly params: { readonly lines: number } }
  /** `from`: the worker that the bot leaves; empty when that cannot be read any more. */
  | { readonly action: 'move'; readonly params: { readonly from: string } }
  /** For test_workflow. */
  | { readonly action: ''; readonly params: { readonly input: Json } };

/** The params of a start, update or configure that has not begun. */
export const deployParams = ({ takeover = false, change = noChange }: Partial<DeployParams> = {}): DeployParams => ({
  takeover,
  change,
  stopped: [],
  moved: [],
  warnings: [],
  gotTokens: false,
});

const linesDefault = 100;

/** What the store has of a job's input. What cannot be read counts as not given; `action` may be any word. */
export function parseJobInput(action: string, stored: JsonObject): JobInput {
  if (action === '') return { action, params: { input: stored['input'] ?? null } };
  if (!isBotAction(action)) return { action: 'unreadable', params: {} };
  switch (action) {
    case 'start':
    case 'update':
    case 'configure':
      return {
        action,
        params: {
          // `after` named the holders, in a release that stopped them first.
          takeover: stored['takeover'] === true || Array.isArray(stored['after']),
          change: parseChange(stored['change']),
          stopped: listOf(stored['stopped_for_it']).flatMap(parseHolder),
          moved: namesOf(stored['moved']),
          warnings: namesOf(stored['warnings']),
          gotTokens: stored['got_tokens'] === true,
        },
      };
    case 'restart':
    case 'list':
    case 'status':
    case 'config':
      return { action, params: {} };
    case 'stop':
      return { action, params: { notice: textOf(stored['notice']) } };
    case 'delete':
      return { action, params: { purge: stored['purge'] === true } };
    case 'logs': {
      const lines = stored['lines'];
      return { action, params: { lines: typeof lines === 'number' ? lines : linesDefault } };
    }
    case 'move':
      return { action, params: { from: textOf(stored['from']) } };
  }
}

/** The same as JSON; empty where nothing is given. */
export function storedParams({ action, params }: JobInput): JsonObject {
  switch (action) {
    case 'start':
    case 'update':
    case 'configure': {
      const { takeover, change, stopped, moved, warnings, gotTokens } = params;
      return {
        ...(takeover ? { takeover } : {}),
        ...(isNoChange(change) ? {} : { change: { replaceEnv: change.replaceEnv, reset: { ...change.reset } } }),
        ...(stopped.length > 0 ? { stopped_for_it: stopped.map((holder) => ({ ...holder })) } : {}),
        ...(moved.length > 0 ? { moved } : {}),
        ...(warnings.length > 0 ? { warnings } : {}),
        ...(gotTokens ? { got_tokens: true } : {}),
      };
    }
    case 'stop':
      return params.notice === '' ? {} : { notice: params.notice };
    case 'delete':
    case 'logs':
    case 'move':
    case '':
      return { ...params };
    case 'restart':
    case 'list':
    case 'status':
    case 'config':
    case 'unreadable':
      return {};
  }
}

const isNoChange = ({ replaceEnv, reset }: SpecChange): boolean =>
  !replaceEnv &&
  !reset.memory &&
  !reset.cpus &&
  !reset.disk &&
  !reset.pids &&
  !reset.stopGrace &&
  !reset.stopSignal &&
  !reset.requirements &&
  reset.buildArgs.length === 0 &&
  !reset.target &&
  !reset.dockerfile &&
  reset.env.length === 0 &&
  reset.on.length === 0;

const textOf = (value: Json | undefined): string => (typeof value === 'string' ? value : '');
const listOf = (value: Json | undefined): readonly Json[] => (Array.isArray(value) ? value : []);
const fieldsOf = (value: Json | undefined): JsonObject =>
  // What is neither null nor a list nor a plain value is an object.
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : {};
const namesOf = (value: Json | undefined): readonly string[] =>
  listOf(value).filter((name) => typeof name === 'string');

function parseChange(value: Json | undefined): SpecChange {
  const { replaceEnv, reset: storedReset } = fieldsOf(value);
  const reset = fieldsOf(storedReset);
  return {
    replaceEnv: replaceEnv === true,
    reset: {
      memory: reset['memory'] === true,
      cpus: reset['cpus'] === true,
      disk: reset['disk'] === true,
      pids: reset['pids'] === true,
      stopGrace: reset['stopGrace'] === true,
      stopSignal: reset['stopSignal'] === true,
      requirements: reset['requirements'] === true,
      buildArgs: namesOf(reset['buildArgs']),
      target: reset['target'] === true,
      dockerfile: reset['dockerfile'] === true,
      env: namesOf(reset['env']),
      on: namesOf(reset['on']),
    },
  };
}

function parseHolder(value: Json): readonly StoppedHolder[] {
  const { userId, botId, generation } = fieldsOf(value);
  if (typeof userId !== 'string' || typeof botId !== 'string' || typeof generation !== 'number') return [];
  return [{ userId, botId, generation }];
}
