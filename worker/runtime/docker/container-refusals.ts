/** What the engine refuses to do with a container, as problems whose text is ours. */
import type { Logger } from '#common/log.ts';
import { ProblemError, problem } from '#common/problem.ts';
import { redact } from '../redact.ts';
import { list, record, text } from './answers.ts';
import type { EngineClient } from './engine-client.ts';
import { EngineRefusal } from './engine-errors.ts';
import { refusalMessage } from './refusal-message.ts';

export const noSuchContainer = (): ProblemError =>
  new ProblemError(
    problem('CONTAINER_ERROR', 'The container does not exist any more.', { hint: 'Start the bot again.' }),
  );

/** The environment of a container, to be taken out of texts of the engine. */
export async function envValues(
  { engine }: { readonly engine: EngineClient },
  id: string,
  signal: AbortSignal,
): Promise<readonly string[]> {
  try {
    const answer = await engine.call({ method: 'GET', path: `/containers/${id}/json` }, signal);
    const env = list(record(record(answer)['Config'])['Env']).map(text);
    return env.map((entry) => entry.slice(entry.indexOf('=') + 1));
  } catch (error) {
    // Without it the engine's text cannot be shown; what matters to the caller is the refusal itself.
    if (error instanceof EngineRefusal) return [];
    throw error;
  }
}

/** A refusal as a problem whose text is ours. The engine's words go to the operator's log, without the given secrets. */
export function refusalProblem(
  { logger }: { readonly logger: Logger },
  error: unknown,
  action: string,
  secrets: readonly string[],
): unknown {
  if (!(error instanceof EngineRefusal)) return error;
  logger.warn({ action, status: error.status, engine: redact(error.text, secrets) }, 'the engine refused');
  const { message, hint } = refusalMessage(action, error);
  return new ProblemError(problem('CONTAINER_ERROR', message, hint === undefined ? {} : { hint }));
}
