/** The refusal of a path that is not there, or not with that method: what is there instead. Pure. */
import { type Problem, problem } from '#common/problem.ts';

const here = 'http://localhost:8000';
const jobsExample = `curl ${here}/jobs -H "Authorization: Bearer YOUR_TOKEN" -H "Content-Type: application/json" -d '{"blueprint":"bot_runner","data":{"action":"list"}}'`;

const asWorker = '-H "Authorization: Bearer WORKER_TOKEN"';

interface Known {
  readonly path: RegExp;
  readonly example: string;
}

/** A request that would work, by path. */
const known: readonly Known[] = [
  {
    path: /^\/(?:health|healthz|livez|readyz|version|robots\.txt|favicon\.ico)?$/,
    example: `curl ${here}/health`,
  },
  { path: /^\/jobs$/, example: jobsExample },
  {
    path: /^\/api\/jobs\/[^/]+$/,
    example: `curl ${here}/api/jobs/JOB_ID -H "Authorization: Bearer YOUR_TOKEN"`,
  },
  {
    path: /^\/jobs\/[^/]+$/,
    example: `curl ${here}/jobs/JOB_ID -H "Authorization: Bearer YOUR_TOKEN"`,
  },
  {
    path: /^(?:\/_worker)?\/workers\/register$/,
    example: `curl ${here}/workers/register ${asWorker} -H "Content-Type: application/json" -d '{"worker_id":"worker-1","supported_tasks":["process_data"]}'`,
  },
  {
    path: /^(?:\/_worker)?\/tasks\/result$/,
    example: `curl ${here}/tasks/result ${asWorker} -H "Content-Type: application/json" -d '{"job_id":"J","task_id":"T","worker_id":"worker-1","result":{"status":"success","data":{}}}'`,
  },
  {
    path: /^(?:\/_worker)?\/workers\/[^/]+\/tasks(?:\/next)?$/,
    example: `curl "${here}/workers/worker-1/tasks?wait=30" ${asWorker}`,
  },
  {
    path: /^(?:\/_worker)?\/workers\/[^/]+$/,
    example: `curl -X PATCH ${here}/_worker/workers/worker-1 ${asWorker} -H "Content-Type: application/json" -d "{}"`,
  },
  { path: /^\/events$/, example: `curl -N ${here}/events -H "Authorization: Bearer YOUR_TOKEN"` },
];

interface Other {
  readonly words: RegExp;
  readonly message: string;
  readonly hint: string;
  readonly example: string;
}

const connect = `curl ${here}/`;

/** What people look for, by the first part of the path. */
const others: readonly Other[] = [
  {
    words: /^(?:metrics|prometheus|stats|actuator)$/,
    message: 'There are no metrics here yet.',
    hint: 'GET /health says whether the orchestrator is up; GET /events streams every change of bots, jobs and workers.',
    example: `curl ${here}/health`,
  },
  {
    words: /^(?:dashboard|ui|admin|console|login|index\.html?)$/,
    message: 'There is no dashboard here yet.',
    hint: 'Use the command line; GET / explains how to connect.',
    example: 'avtomatika-bot list',
  },
  {
    words: /^(?:docs|doc|documentation|help|swagger.*|openapi.*|redoc|api-docs)$/,
    message: 'The documentation is not served here.',
    hint: 'Read docs/REST.md, docs/GRPC.md and docs/CLI.md in the source; GET / explains how to connect.',
    example: connect,
  },
  {
    words: /^(?:status|ping|alive|live|ready|up|health.*|livez|readyz)$/,
    message: 'The health of the orchestrator is at another path.',
    hint: 'GET /health.',
    example: `curl ${here}/health`,
  },
  {
    words: /^(?:bots?|list|start|stop|logs?)$/,
    message: 'Bots have no path of their own.',
    hint: 'Everything done to a bot is a job: POST /jobs, and GET /jobs/{id} for its result.',
    example: jobsExample,
  },
  {
    words: /^(?:_?workers?|tasks?)$/,
    message: 'There is no such route for workers.',
    hint: 'An operator can list workers with the command line; the routes for workers are in docs/REST.md.',
    example: 'avtomatika-bot worker list',
  },
  {
    words: /^(?:api|v\d+|rest|jobs?|graphql|rpc)$/,
    message: 'There is no such route in the API.',
    hint: 'POST /jobs submits a job, GET /jobs/{id} returns its result, GET /events streams what happens: docs/REST.md.',
    example: jobsExample,
  },
  {
    words: /^events?$/,
    message: 'The events are at another path.',
    hint: 'GET /events; see docs/EVENTS.md.',
    example: `curl -N ${here}/events -H "Authorization: Bearer YOUR_TOKEN"`,
  },
];

/** METHOD_NOT_ALLOWED. `allow`: as in the header. */
export function wrongMethod(method: string, path: string, allow: string): Problem {
  const there = known.find((candidate) => candidate.path.test(path));
  const named = /^[A-Z]{1,16}$/.test(method) ? `the method ${method}` : 'this method';
  return problem('METHOD_NOT_ALLOWED', `This path does not support ${named}.`, {
    details: { allow },
    hint: `Use ${allow}; see docs/REST.md.`,
    ...(there === undefined ? {} : { example: there.example }),
  });
}

/** ROUTE_NOT_FOUND. Nothing of the path is repeated. */
export function noRoute(path: string): Problem {
  const [, first = ''] = path.toLowerCase().split('/', 2);
  const other = others.find(({ words }) => words.test(first.slice(0, 32)));
  if (other === undefined) return problem('ROUTE_NOT_FOUND', 'There is nothing at this path.');
  const { message, hint, example } = other;
  return problem('ROUTE_NOT_FOUND', message, { hint, example });
}
