/** What becomes of a bot whose job did not succeed, or whose stop is taken back: each is a decision of its own. Pure. */
import { mayRun } from '../quota.ts';
import type { BotRecord, UndoPoint } from '../records.ts';
import type { Shape } from './decided.ts';
import { changed } from './record.ts';

/** Why a bot that is set back may run with what its job wanted, until its worker says that it does not. */
export interface Doubt {
  /** What its worker confirms that by. */
  readonly taskId: string;
  /** Whether its worker is silent, so that nobody knows what it does. */
  readonly isSilent: boolean;
}

export interface WayBack {
  /** The former spec's shape; undefined when there is none, or when it cannot be read. */
  readonly shape: Shape | undefined;
  /** How the job ended: what its user called off did not fail. */
  readonly end: 'failed' | 'cancelled';
  readonly doubt?: Doubt | undefined;
}

/**
 * Back to what was desired before the job. A bot that was not to run before does not run now: its place is free again. Nor does one that has
 * ended for good meanwhile: to its worker a decision to run would be a new start, and its token and place may be another's.
 */
export function reverted(bot: BotRecord, { shape, end, doubt }: WayBack): BotRecord {
  const { undo } = bot;
  if (undo === null) return bot;
  const runs = undo.desired === 'running' && !hasEnded(bot, undo);
  const stopped = undo.revision === 0 && end === 'failed' ? 'failed' : 'stopped';
  const state = runs ? stateOnTheWayBack(bot, undo) : stopped;
  return changed(bot, {
    ...shape,
    generation: bot.generation + 1,
    desired: runs ? 'running' : 'stopped',
    revision: undo.revision,
    specSealed: undo.specSealed,
    undo: null,
    state: doubt?.isSilent === true ? bot.state : state,
    ...(doubt === undefined ? {} : { pendingTask: doubt.taskId }),
  });
}

/** Whether what its worker last reported is the end of the former version. */
const hasEnded = ({ state, observed }: BotRecord, { revision }: UndoPoint): boolean =>
  state === 'exited' && observed.revision === revision;

function stateOnTheWayBack({ state }: BotRecord, { wasUp }: UndoPoint): BotRecord['state'] {
  // It is the version that is given up that crashed; the one before is started again.
  if (wasUp && state === 'crash_loop') return 'starting';
  // The version that is given up has ended, or could not be started; the one before may run from now on.
  return mayRun({ desired: 'running', state }) ? state : 'pending';
}

/** A holder that runs again, because the takeover it was stopped for did not succeed. */
export const resumed = (bot: BotRecord): BotRecord =>
  changed(bot, {
    desired: 'running',
    generation: bot.generation + 1,
    undo: null,
    pendingTask: null,
    state: bot.state === 'stopped' ? 'pending' : bot.state,
    notice: 'it was stopped for a takeover that did not succeed, and was started again',
  });
