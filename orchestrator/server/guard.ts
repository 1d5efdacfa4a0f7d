/**
 * Where every request of every protocol enters. Nothing that a request makes happen, before, in or after its handler, gets
 * out of here: it is answered, or its connection is closed, and the process lives on.
 */
import type { Logger } from '#common/log.ts';
import { type Problem, problem } from '#common/problem.ts';
import { isGone } from './is-gone.ts';
import type { NodeRequest, NodeResponse } from './node-http.ts';
import type { Connection } from './port/connections.ts';
import type { Handler } from './port/port.ts';
import { parseTarget, type Target } from './request-target.ts';

export interface Doors {
  /** `request.url` is by now a path with its query, whatever form the target had. */
  handle(request: NodeRequest, response: NodeResponse, target: Target, connection: Connection): Promise<void>;
  /** Answers without a look at the body, in the words of the protocol that the request speaks. */
  refuse(request: NodeRequest, response: NodeResponse, problem: Problem): Promise<void>;
}

export function guard(doors: Doors, logger: Logger): Handler {
  return (request, response, connection) => {
    // Without a listener, a connection that breaks would be an error of the process.
    request.on('error', () => undefined);
    response.on('error', () => undefined);
    serve(doors, request, response, connection).catch((error: unknown) => {
      logger.error({ err: error }, 'a request failed outside its handler');
      return giveUp(doors, request, response, logger);
    });
  };
}

async function serve(
  doors: Doors,
  request: NodeRequest,
  response: NodeResponse,
  connection: Connection,
): Promise<void> {
  const target = parseTarget({
    method: request.method ?? '',
    target: request.url ?? '',
    hosts: hostsOf(request),
  });
  if (!target.ok) return doors.refuse(request, response, target.problem);
  const { path, query } = target.value;
  request.url = query === '' ? path : `${path}?${query}`;
  await doors.handle(request, response, target.value, connection);
}

/** In HTTP/2 only the authority counts; some clients send a Host as well. */
function hostsOf(request: NodeRequest): readonly string[] {
  if ('authority' in request && request.authority) return [request.authority];
  return request.rawHeaders.filter(
    (_, index) => index % 2 === 1 && request.rawHeaders[index - 1]?.toLowerCase() === 'host',
  );
}

async function giveUp(doors: Doors, request: NodeRequest, response: NodeResponse, logger: Logger): Promise<void> {
  try {
    if (response.headersSent || isGone(response)) response.destroy();
    else await doors.refuse(request, response, problem('INTERNAL', 'Something went wrong inside Bot Runner.'));
  } catch (error) {
    logger.error({ err: error }, 'a request could not be answered');
    request.socket?.destroy();
  }
}
