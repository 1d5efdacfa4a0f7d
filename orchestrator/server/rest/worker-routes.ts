/** The REST routes of workers, under the guide's paths and under those of the original's worker SDK. */
import { type JsonObject, ProblemError, problem, refuse } from '#common/problem.ts';
import type { RestWorkers } from '../../fleet/rest-workers.ts';
import { requireJoinToken, type TokenBook } from '../auth.ts';
import { type Answer, fieldsOf, headerOf, type Request } from './http.ts';
import { readJsonBody } from './json-body.ts';

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

/** The signal ends with the connection: nobody waits for a worker that has gone. */
function whenGone(request: Request): AbortSignal {
  const gone = new AbortController();
  request.on('close', () => gone.abort());
  request.socket?.once('close', () => gone.abort());
  return gone.signal;
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

async function tasks(deps: WorkerRouteDeps, request: Request, workerId: string): Promise<Answer> {
  const wait = new URL(request.url ?? '/', 'http://x').searchParams.get('wait');
  const seconds = wait === null ? 0 : Math.min(defaultWaitSeconds, Math.max(0, Number(wait) || 0));
  const task = await deps.restWorkers.nextTask(workerId, seconds * 1000, whenGone(request));
  return { status: 200, body: task === undefined ? [] : [{ ...task }] };
}

async function nextTask(deps: WorkerRouteDeps, request: Request, workerId: string): Promise<Answer> {
  const task = await deps.restWorkers.nextTask(workerId, defaultWaitSeconds * 1000, whenGone(request));
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

/** Undefined when the path is not a worker's. */
export function workerRoute(
  deps: WorkerRouteDeps,
  request: Request,
  path: string,
): Promise<Answer> | Answer | undefined {
  const route = /^(?:\/_worker)?\/(workers|tasks)(\/.*)$/.exec(path);
  if (route === null) return undefined;
  const line = `${request.method} /${route[1]}${route[2]}`;
  const worker = /^\/workers\/([^/]+)(\/tasks|\/tasks\/next)?$/.exec(`/${route[1]}${route[2]}`);
  const known =
    line === 'POST /workers/register' ||
    line === 'POST /tasks/result' ||
    (worker !== null && (worker[2] === undefined ? request.method === 'PATCH' : request.method === 'GET'));
  if (!known) return undefined;
  requireJoinToken(deps.tokens.identify(headerOf(request)));
  if (line === 'POST /workers/register') return register(deps, request);
  if (line === 'POST /tasks/result') return result(deps, request);
  const workerId = decoded(worker?.[1] ?? '');
  if (worker?.[2] === '/tasks') return tasks(deps, request, workerId);
  if (worker?.[2] === '/tasks/next') return nextTask(deps, request, workerId);
  return heartbeat(deps, request, workerId);
}

async function heartbeat(deps: WorkerRouteDeps, request: Request, workerId: string): Promise<Answer> {
  const supportedTasks = await supportedTasksOf(deps, request);
  await deps.restWorkers.heartbeat({ workerId, supportedTasks });
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
