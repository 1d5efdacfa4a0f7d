/** The error that a user gets when no bot may be started: nothing in it says what is wrong with the operator's machines. Pure. */
import { type Problem, problem } from '#common/problem.ts';

export const startsRefused = (): Problem =>
  problem('SAFETY_CHECK_FAILED', 'No new bots are started on this server now, because one of its safety checks fails.');
