/** The last check of a bot's environment before it is handed to a system that would fail with the value in its error. */
import { refuse } from '#common/problem.ts';
import type { ContainerPlan } from './container-runtime.ts';

/** Throws ProblemError INVALID_ENV_VARS for an invalid name, or a NUL in a value. Shows no value. */
export function checkEnv({ env }: Pick<ContainerPlan, 'env'>): void {
  for (const [name, value] of Object.entries(env.reveal())) {
    if (/^[A-Za-z_][A-Za-z0-9_]*$/.test(name) && !value.includes('\0')) continue;
    refuse('INVALID_ENV_VARS', 'An environment variable has a bad name, or a NUL in its value.', {
      details: { field: 'env_vars' },
    });
  }
}
