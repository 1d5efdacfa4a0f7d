/** The REST routes of workers, under the guide's paths and under those of the original's worker SDK. */

import type { Json, JsonObject } from '#common/json.ts';
import { ProblemError, problem, refuse } from '#common/problem.ts';
import { linkSignals } from '#common/waiting/abort.ts';
import type { RestTask } from '../../fleet/rest/rest-worker.ts';
import type { Registration, RestWorkers } from '../../fleet/rest/rest-workers.ts';
import { callerOf } from '../admission/admission.ts';
import { requireJoinToken } from '../auth.ts';
import { isGone } from '../is-gone.ts';
import { type Answer, fieldsOf } from './http.ts';
import { readJsonBody } from './json-body.ts';
import type { Route, RouteCall, RouteHandler, RouteMethod } from './route.ts';

export interface WorkerRouteDeps {
  readonly restWorkers: RestWorkers;
}

const defaultWaitSeconds = 30;

const examples = {
  register: { worker_id: 'worker-1', worker_type: 'bots', supported_tasks: ['process_data'], max_concurrent_tasks: 1 },
  result: { job_id: 'J', task_id: 'T', worker_id: 'worker-1', result: { status: 'success', data: {} } },
  heartbeat:
    'curl -X PATCH http://localhost:8000/_worker/workers/worker-1 -H "Authorization: Bearer WORKER_TOKEN" -H "Content-Type: application/json" -d "{}"',
  tasks: 'curl "http://localhost:8000/workers/worker-1/tasks?wait=30" -H "Authorization: Bearer WORKER_TOKEN"',
  nextTask: 'curl http://localhost:8000/_worker/workers/worker-1/tasks/next -H "Authorization: Bearer WORKER_TOKEN"',
} as const;

const supportedTasksMax = 100;

const strings = (value: unknown): readonly string[] =>
  Array.isArray(value) ? value.filter((item) => typeof item === 'string').slice(0, supportedTasksMax) : [];

const wrong = (field: string, message: string, hint: string): never =>
  refuse('MALFORMED_REQUEST', message, { details: { field }, hint });

const isPresent = (value: unknown): boolean => value !== undefined && value !== null;

/** What a worker says of itself when it registers; a field of the wrong type would make it look like a different worker. */
function readRegistration(body: Readonly<Record<string, unknown>>): Registration {
  const { worker_id: workerId, worker_type: type, supported_tasks: tasks, max_concurrent_tasks: tasksMax } = body;
  if (!isPresent(workerId) || workerId === '') {
    refuse('MISSING_REQUIRED_FIELD', 'The field "worker_id" is missing.', {
      details: { field: 'worker_id' },
      hint: 'Name the worker.',
    });
  }
  if (typeof workerId !== 'string') return wrong('worker_id', '"worker_id" is not text.', 'Put the name in quotes.');
  if (isPresent(type) && typeof type !== 'string') {
    wrong('worker_type', '"worker_type" is not text.', 'Put it in quotes, or leave it out.');
  }
  const isList = Array.isArray(tasks) && tasks.length <= supportedTasksMax;
  if (isPresent(tasks) && !(isList && tasks.every((task) => typeof task === 'string' && task !== ''))) {
    wrong(
      'supported_tasks',
      `"supported_tasks" is not a list of at most ${supportedTasksMax} names.`,
      'Write "supported_tasks": ["process_data"].',
    );
  }
  if (isPresent(tasksMax) && !(Number.isInteger(tasksMax) && Number(tasksMax) >= 1)) {
    wrong('max_concurrent_tasks', '"max_concurrent_tasks" is not a whole number from 1 on.', 'Leave it out for 1.');
  }
  return { workerId, supportedTasks: strings(tasks) };
}

const objectOf = (value: unknown): JsonObject =>
  // Parsed JSON: an object of it is a JsonObject.
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : {};

/** The next task, if one comes before the worker goes, the program ends or the time is over. */
async function taskOf(deps: WorkerRouteDeps, call: RouteCall, waitMs: number): Promise<RestTask | undefined> {
  const { response, shutdown, params } = call;
  // Watches the response: a request is over as soon as it was read, and its connection may serve a thousand others.
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  if (isGone(response)) return undefined;
  using ends = linkSignals(gone.signal, shutdown);
  return deps.restWorkers.nextTask(decoded(params[0] ?? ''), waitMs, ends.signal);
}

async function register(deps: WorkerRouteDeps, { request, allowance }: RouteCall): Promise<Answer> {
  const registration = readRegistration(fieldsOf(await readJsonBody(request, allowance)));
  await deps.restWorkers.register(registration);
  return { status: 200, body: { status: 'registered', worker_id: registration.workerId } };
}

async function tasks(deps: WorkerRouteDeps, call: RouteCall): Promise<Answer> {
  const wait = call.query.get('wait') ?? '0';
  if (!/^\d{1,6}(?:\.\d{1,6})?$/.test(wait)) {
    wrong('wait', '"wait" is not a number of seconds.', `Give 0 to ${defaultWaitSeconds}, or leave it out.`);
  }
  const task = await taskOf(deps, call, Math.min(defaultWaitSeconds, Number(wait)) * 1000);
  return { status: 200, body: task === undefined ? [] : [{ ...task }] };
}

async function nextTask(deps: WorkerRouteDeps, call: RouteCall): Promise<Answer> {
  const task = await taskOf(deps, call, defaultWaitSeconds * 1000);
  return task === undefined ? { status: 204, body: null } : { status: 200, body: { ...task } };
}

async function result(deps: WorkerRouteDeps, { request, allowance }: RouteCall): Promise<Answer> {
  const body = fieldsOf(await readJsonBody(request, allowance));
  const { worker_id: workerId, task_id: taskId } = body;
  for (const [field, value] of Object.entries({ worker_id: workerId, task_id: taskId })) {
    if (typeof value === 'string' && value !== '') continue;
    const message = 'A result needs "worker_id" and "task_id", both as text.';
    refuse('MISSING_REQUIRED_FIELD', message, { details: { field } });
  }
  const ids = { workerId: String(workerId), taskId: String(taskId) };
  const outcome = objectOf(body['result']);
  const error = objectOf(outcome['error']);
  const { status } = outcome;
  if (status !== 'success' && status !== 'failure' && status !== 'cancelled') {
    const said = typeof status === 'string' ? `the status ${JSON.stringify(status.slice(0, 40))}` : 'no status';
    const message = `The status of a result is success, failure or cancelled, not ${said}.`;
    return refuseResult(deps, ids, 'result.status', message, `${said}; it must be success, failure or cancelled`);
  }
  for (const [field, value] of Object.entries({ data: outcome['data'], error: outcome['error'] })) {
    if (!isPresent(value) || (typeof value === 'object' && !Array.isArray(value))) continue;
    const message = `The field "${field}" of a result is not an object.`;
    return refuseResult(deps, ids, `result.${field}`, message, `${field} that is not an object`);
  }
  for (const [field, value] of Object.entries({ code: error['code'], message: error['message'] })) {
    if (!isPresent(value) || typeof value === 'string') continue;
    const message = `The field "${field}" of an error is not text.`;
    return refuseResult(deps, ids, `result.error.${field}`, message, `an error whose ${field} is not text`);
  }
  await deps.restWorkers.result(ids.workerId, ids.taskId, {
    status,
    data: objectOf(outcome['data']),
    error: { code: String(error['code'] ?? 'FAILURE'), message: String(error['message'] ?? 'no reason given') },
  });
  return { status: 200, body: { status: 'result_accepted_success' } };
}

/** The task is over for its worker, which will not report it again: those who wait for the job must learn of it. */
async function refuseResult(
  { restWorkers }: WorkerRouteDeps,
  { workerId, taskId }: { readonly workerId: string; readonly taskId: string },
  field: string,
  message: string,
  said: string,
): Promise<never> {
  const failure = problem('CONTAINER_ERROR', `Worker ${workerId} reported ${said}.`);
  await restWorkers.unreadableResult(workerId, taskId, failure);
  refuse('MALFORMED_REQUEST', message, { details: { field }, hint: 'The task was ended as failed.' });
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
  // Authors of a worker want to see a worker's request as the example, whatever is wrong with theirs.
  const worker = (example: Json, handle: RouteHandler): RouteMethod => ({
    scopes: ['worker'],
    body: 'small',
    example: ({ code }) => (code === 'WORKER_NOT_FOUND' ? examples.register : example),
    handle(call) {
      requireJoinToken(callerOf(call.allowance));
      return handle(call);
    },
  });
  return [
    {
      pattern: /^(?:\/_worker)?\/workers\/register$/,
      methods: { POST: worker(examples.register, (call) => register(deps, call)) },
    },
    {
      pattern: /^(?:\/_worker)?\/tasks\/result$/,
      methods: { POST: worker(examples.result, (call) => result(deps, call)) },
    },
    {
      pattern: /^(?:\/_worker)?\/workers\/([^/]+)$/,
      methods: { PATCH: worker(examples.heartbeat, (call) => heartbeat(deps, call)) },
    },
    {
      pattern: /^(?:\/_worker)?\/workers\/([^/]+)\/tasks$/,
      methods: { GET: worker(examples.tasks, (call) => tasks(deps, call)) },
      noHead: true,
    },
    {
      pattern: /^(?:\/_worker)?\/workers\/([^/]+)\/tasks\/next$/,
      methods: { GET: worker(examples.nextTask, (call) => nextTask(deps, call)) },
      noHead: true,
    },
  ];
}

async function heartbeat(deps: WorkerRouteDeps, call: RouteCall): Promise<Answer> {
  const { params } = call;
  const supportedTasks = await supportedTasksOf(call);
  await deps.restWorkers.heartbeat({ workerId: decoded(params[0] ?? ''), supportedTasks });
  return { status: 200, body: { status: 'ok' } };
}

/** A sign of life counts whatever comes with it. */
async function supportedTasksOf({ request, allowance }: RouteCall): Promise<readonly string[]> {
  try {
    return strings(objectOf(await readJsonBody(request, allowance))['supported_tasks']);
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error;
    request.resume();
    return [];
  }
}
