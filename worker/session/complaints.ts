/** What the log and health checks say about a missing session. Pure. */
import { describeConnectionFailure } from '#common/connection-failure.ts';
import type { Endpoint } from './endpoint.ts';
import type { Probed } from './probe.ts';
import type { SessionEnd } from './session-end.ts';

/** One line that says what is wrong and what to do about it. */
export interface SessionComplaint {
  readonly text: string;
  readonly isError: boolean;
}

export function unreachable({ url }: Pick<Endpoint, 'url'>, why: Probed | undefined): string {
  const words = why && describeConnectionFailure(why.failure, { url, setting: 'ORCHESTRATOR_URL', ...why });
  const cure = words === undefined ? '' : `${words.cure.charAt(0).toLowerCase()}${words.cure.slice(1, -1)}`;
  const reason = words === undefined ? 'check that it runs and ORCHESTRATOR_URL' : `${words.sentence}; ${cure}`;
  return `the orchestrator at ${url} cannot be reached: ${reason}; retrying`;
}

export function complaintOf(endpoint: Pick<Endpoint, 'url'>, workerId: string, end: SessionEnd): SessionComplaint {
  switch (end.kind) {
    case 'refused':
      return {
        isError: true,
        text: end.tokenWrong
          ? `the orchestrator at ${endpoint.url} refuses the worker token: set WORKER_TOKEN to the orchestrator's`
          : `the orchestrator at ${endpoint.url} refuses this worker: ${[end.message, end.hint].filter(Boolean).join(' ')}`,
      };
    case 'unknown':
      return {
        isError: true,
        text: `the orchestrator at ${endpoint.url} forgot this worker right after it had joined; retrying`,
      };
    case 'disobeyed':
      return { isError: true, text: `this worker does not obey the orchestrator at ${endpoint.url}: ${end.message}` };
    case 'fenced':
      return {
        isError: true,
        text:
          `another process has connected as worker ${workerId}: this one reports nothing and leaves its bots alone ` +
          `until the other is gone; give each its own WORKER_ID and DATA_DIR`,
      };
    case 'lost':
      return {
        isError: false,
        text: end.welcomed
          ? `the connection to the orchestrator at ${endpoint.url} was lost; bots keep running, reconnecting`
          : unreachable(endpoint, undefined),
      };
  }
}
