/** The engine's refusals, as distinct from no answer at all. */
import { ProblemError } from '#common/problem.ts';
import { EngineUnavailableError } from '../container-runtime.ts';

/** An answer with an error status. `text` is the engine's own and can hold environment values: never show it as it is. */
export class EngineRefusal extends Error {
  readonly status: number;
  readonly text: string;
  constructor(status: number, text: string) {
    // The text stays out of the message, because messages end up in logs.
    super(`the engine answered with status ${status}`);
    this.status = status;
    this.text = text;
    this.name = 'EngineRefusal';
  }
}

export const hasStatus = (error: unknown, ...statuses: readonly number[]): error is EngineRefusal =>
  error instanceof EngineRefusal && statuses.includes(error.status);

/**
 * Sorts what a call threw: the caller's abort reason when it was aborted, a refusal when the engine answered, a problem
 * as it is, else EngineUnavailableError. `what` names the call without any value in it.
 */
export function sortedError(error: unknown, what: string, signal: AbortSignal): unknown {
  if (signal.aborted) return signal.reason;
  if ([EngineRefusal, EngineUnavailableError, ProblemError].some((kind) => error instanceof kind)) return error;
  const status = numberProperty(error, 'statusCode');
  const text = messageOf(error);
  if (status !== undefined && status !== 503 && !(status >= 500 && goingDown.test(text))) {
    return new EngineRefusal(status, text);
  }
  const code = error instanceof Error && 'code' in error ? ` (${String(error.code)})` : '';
  return new EngineUnavailableError(`the container engine did not answer: ${what}${code}`, { cause: error });
}

// What an engine answers with while it or its containerd goes down or comes up: it has not looked at the request.
const goingDown =
  /ttrpc: closed|transport is closing|client connection is closing|shutting down|containerd\.sock|cannot connect to the docker daemon|context canceled/i;

function numberProperty(value: unknown, name: string): number | undefined {
  if (typeof value !== 'object' || value === null || !(name in value)) return undefined;
  const property: unknown = (value as Record<string, unknown>)[name];
  return typeof property === 'number' ? property : undefined;
}

/** The engine's own message: `json.message` of docker-modem's error, else that error's text. */
function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return '';
  const json: unknown = 'json' in error ? error.json : undefined;
  if (typeof json === 'object' && json !== null && 'message' in json) return String(json.message);
  return error.message;
}
