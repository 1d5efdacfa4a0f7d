/** The REST routes of workers, under the guide's paths and under those of the original's worker SDK. */

import { type JsonObject, ProblemError, problem, refuse } from '#common/problem.ts';
import { linkSignals } from '#common/waiting/abort.ts';
import type { RestTask } from '../../fleet/rest/rest-worker.ts';
import type { RestWorkers } from '../../fleet/rest/rest-workers.ts';
import { requireJoinToken, type TokenBook } from '../auth.ts';
import { isGone } from '../is-gone.ts';
import { type Answer, fieldsOf, headerOf, type Request } from './http.ts';
import { readJsonBody } from './json-body.ts';
import type { Route, RouteCall, RouteHandler } from './route.ts';

export interface WorkerRouteDeps {
  readonly tokens: TokenBook;
  readonly restWorkers: RestWorkers;
  /** For bodies that carry no source. */
  readonly smallMaxBytes: number;
}

const defaultWaitSeconds = 30;

const strings = (value: unknown): readonly string[] =>
  Array.isArray(value) ? value.filter((item) => typeof item === 'string').slice(0, 100) : [];

const objectOf = (value: unknown): JsonObject =>
  // Parsed JSON: an object of it is a JsonObject.
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : {};

/** The next task, if one comes before the worker goes, the program ends or the time is over. */
async function taskOf(deps: WorkerRouteDeps, call: RouteCall, waitMs: number): Promise<RestTask | undefined> {
  const { response, shutdown, params } = call;
  // Of the response: a request is over as soon as it was read, and its connection may serve a thousand others.
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  if (isGone(response)) return undefined;
  using ends = linkSignals(gone.signal, shutdown);
  return deps.restWorkers.nextTask(decoded(params[0] ?? ''), waitMs, ends.signal);
}

async function register(deps: WorkerRouteDeps, request: Request): Promise<Answer> {
  const body = fieldsOf(await readJsonBody(request, deps.smallMaxBytes));
  const workerId = body['worker_id'];
  if (typeof workerId !== 'string' || workerId === '') {
    refuse('MISSING_REQUIRED_FIELD', 'The field "worker_id" is missing.', {
      details: { field: 'worker_id' },
      hint: 'Name the worker.',
      example: { worker_id: 'worker-1', supported_tasks: ['process_data'] },
    });
  }
  await deps.restWorkers.register({ workerId, supportedTasks: strings(body['supported_tasks']) });
  return { status: 200, body: { status: 'registered', worker_id: workerId } };
}

async function tasks(deps: WorkerRouteDeps, call: RouteCall): Promise<Answer> {
  const wait = Number(call.query.get('wait')) || 0;
  const task = await taskOf(deps, call, Math.min(defaultWaitSeconds, Math.max(0, wait)) * 1000);
  return { status: 200, body: task === undefined ? [] : [{ ...task }] };
}

async function nextTask(deps: WorkerRouteDeps, call: RouteCall): Promise<Answer> {
  const task = await taskOf(deps, call, defaultWaitSeconds * 1000);
  return task === undefined ? { status: 204, body: null } : { status: 200, body: { ...task } };
}

async function result(deps: WorkerRouteDeps, request: Request): Promise<Answer> {
  const body = fieldsOf(await readJsonBody(request, deps.smallMaxBytes));
  const { worker_id: workerId, task_id: taskId } = body;
  if (typeof workerId !== 'string' || typeof taskId !== 'string') {
    refuse('MISSING_REQUIRED_FIELD', 'A result needs "worker_id" and "task_id".', {
      example: { job_id: 'J', task_id: 'T', worker_id: 'worker-1', result: { status: 'success', data: {} } },
    });
  }
  const outcome = objectOf(body['result']);
  const error = objectOf(outcome['error']);
  const { status } = outcome;
  if (status !== 'success' && status !== 'failure' && status !== 'cancelled') {
    const said = typeof status === 'string' ? `the status ${JSON.stringify(status.slice(0, 40))}` : 'no status';
    const failure = `Worker ${workerId} reported ${said}; it must be success, failure or cancelled.`;
    // The task is over for its worker, which will not report it again: whoever waits for the job must hear of it.
    await deps.restWorkers.unreadableResult(workerId, taskId, problem('CONTAINER_ERROR', failure));
    refuse('MALFORMED_REQUEST', `The status of a result is success, failure or cancelled, not ${said}.`, {
      details: { field: 'result.status' },
      hint: 'The task was ended as failed.',
      example: { job_id: 'J', task_id: 'T', worker_id: 'worker-1', result: { status: 'success', data: {} } },
    });
  }
  await deps.restWorkers.result(workerId, taskId, {
    status,
    data: objectOf(outcome['data']),
    error: { code: String(error['code'] ?? 'FAILURE'), message: String(error['message'] ?? 'no reason given') },
  });
  return { status: 200, body: { status: 'result_accepted_success' } };
}

/** A segment of a path; as it is when its escapes are none, and then no id matches it. */
function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

export function workerRoutes(deps: WorkerRouteDeps): readonly Route[] {
  const worker =
    (handle: RouteHandler): RouteHandler =>
    (call) => {
      requireJoinToken(deps.tokens.identify(headerOf(call.request)));
      return handle(call);
    };
  return [
    {
      pattern: /^(?:\/_worker)?\/workers\/register$/,
      methods: { POST: worker(({ request }) => register(deps, request)) },
    },
    { pattern: /^(?:\/_worker)?\/tasks\/result$/, methods: { POST: worker(({ request }) => result(deps, request)) } },
    { pattern: /^(?:\/_worker)?\/workers\/([^/]+)$/, methods: { PATCH: worker((call) => heartbeat(deps, call)) } },
    {
      pattern: /^(?:\/_worker)?\/workers\/([^/]+)\/tasks$/,
      methods: { GET: worker((call) => tasks(deps, call)) },
      noHead: true,
    },
    {
      pattern: /^(?:\/_worker)?\/workers\/([^/]+)\/tasks\/next$/,
      methods: { GET: worker((call) => nextTask(deps, call)) },
      noHead: true,
    },
  ];
}

async function heartbeat(deps: WorkerRouteDeps, { request, params }: RouteCall): Promise<Answer> {
  const supportedTasks = await supportedTasksOf(deps, request);
  await deps.restWorkers.heartbeat({ workerId: decoded(params[0] ?? ''), supportedTasks });
  return { status: 200, body: { status: 'ok' } };
}

/** A sign of life counts whatever comes with it. */
async function supportedTasksOf(deps: WorkerRouteDeps, request: Request): Promise<readonly string[]> {
  try {
    return strings(objectOf(await readJsonBody(request, deps.smallMaxBytes))['supported_tasks']);
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error;
    request.resume();
    return [];
  }
}
