/** A bot with what only the fleet knows: whether its worker is silent, and how its worker runs bots. */
import type { BotStateName, ShownBot } from '../core/records.ts';

export interface BotView {
  readonly bot: ShownBot;
  /** The recorded state, or `unknown` while the worker is silent. */
  readonly state: BotStateName;
  /** docker or process; empty while the bot has no worker. */
  readonly runtime: string;
}

const alive: readonly BotStateName[] = ['starting', 'running', 'stopping'];

/** How its last run ended, if that is its present state: a bot that runs again has no end. */
export const lastEnd = ({
  bot: { observed },
  state,
}: BotView): Pick<ShownBot['observed'], 'exitCode' | 'finishedAt' | 'oomKilled'> =>
  alive.includes(state) ? {} : observed;
