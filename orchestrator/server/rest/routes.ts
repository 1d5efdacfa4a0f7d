/**
 * The REST routes. A thin translation onto the same doors that gRPC uses; no rule lives here. Everything that is not a
 * Connect or gRPC procedure ends here.
 */
import type { JsonObject } from '#common/json.ts';
import type { Problem } from '#common/problem.ts';
import { type SubmitDeps, submitJob } from '../../requests/submit.ts';
import { jobToJson } from '../../views/job-json.ts';
import { usageToJson } from '../../views/usage.ts';
import { type Allowance, type Call, type CallTerms, callerOf } from '../admission/admission.ts';
import { BodyBrokenOffError } from '../body/request-bytes.ts';
import { toProblem } from '../failures.ts';
import { readIdempotency } from '../idempotency.ts';
import { isGone } from '../is-gone.ts';
import type { CallDeps } from '../rpc/call.ts';
import { createEventsRoute, type EventsRouteDeps } from './events-route.ts';
import { type Answer, fieldsOf, headerOf, type Request, type Response, sendAnswer } from './http.ts';
import { readJsonBody } from './json-body.ts';
import { noRoute, wrongMethod } from './pages/no-route.ts';
import { problemAnswer } from './pages/problem-page.ts';
import { publicRoutes } from './pages/public-routes.ts';
import { findRoute, type Route, type RouteCall, type RouteHandler, type RouteMethod } from './route.ts';
import { type WorkerRouteDeps, workerRoutes } from './worker-routes.ts';

export interface RestDeps extends CallDeps, SubmitDeps, WorkerRouteDeps, EventsRouteDeps {}

export interface RestHandler {
  find(request: Request, response: Response): Call;
}

async function createJob(deps: RestDeps, { request, allowance }: RouteCall, blueprint?: string): Promise<Answer> {
  const { userId } = callerOf(allowance);
  const body = fieldsOf(await readJsonBody(request, allowance));
  const wanted =
    blueprint === undefined ? { blueprint: body['blueprint'], data: body['data'] } : { blueprint, data: body };
  const idempotency = readIdempotency(headerOf(request)('idempotency-key'), wanted);
  const job = await submitJob(deps, userId, { ...wanted, idempotency, absentFails: blueprint !== undefined });
  const accepted: JsonObject = { status: 'accepted', job_id: job.jobId, state: 'init' };
  return { status: 202, body: accepted };
}

async function getJob(deps: RestDeps, { params, allowance }: RouteCall): Promise<Answer> {
  const { userId } = callerOf(allowance);
  return { status: 200, body: jobToJson(await deps.engine.getJob(userId, params[0] ?? '')) };
}

async function getUsage(deps: RestDeps, { allowance }: RouteCall): Promise<Answer> {
  return { status: 200, body: usageToJson(await deps.engine.usage(callerOf(allowance).userId)) };
}

function routesOf(deps: RestDeps): readonly Route[] {
  const client = (body: CallTerms['body'], handle: RouteHandler): RouteMethod => ({ scopes: ['client'], body, handle });
  const job = client('small', (call) => getJob(deps, call));
  const handle = createEventsRoute(deps);
  return [
    ...publicRoutes(() => deps.store.trouble()),
    { pattern: /^\/jobs$/, methods: { POST: client('source', (call) => createJob(deps, call)) } },
    { pattern: /^\/jobs\/([^/]+)$/, methods: { GET: job } },
    {
      pattern: /^\/api\/jobs\/([^/]+)$/,
      methods: { GET: job, POST: client('source', (call) => createJob(deps, call, call.params[0] ?? '')) },
    },
    { pattern: /^\/usage$/, methods: { GET: client('small', (call) => getUsage(deps, call)) } },
    { pattern: /^\/events$/, methods: { GET: { scopes: ['client', 'admin'], body: 'small', handle } }, noHead: true },
    ...workerRoutes(deps),
  ];
}

/** What has no route is answered to everybody. */
const open: CallTerms = { scopes: undefined, body: 'open' };

/** `shutdown` ends the streams that are open. */
export function createRestHandler(deps: RestDeps, shutdown: AbortSignal): RestHandler {
  const routes = routesOf(deps);
  return {
    find(request, response) {
      const refuse = (problem: Problem) => sendAnswer(request, response, problemAnswer(request, problem));
      const [path = '/', query = ''] = (request.url ?? '/').split(/\?(.*)/s);
      const found = findRoute(routes, request.method ?? '', path);
      switch (found.kind) {
        case 'route': {
          const { method, params } = found;
          const handle = (allowance: Allowance) => {
            const call = { request, response, params, query: new URLSearchParams(query), shutdown, allowance };
            return serve(deps, call, method);
          };
          return { ...method, handle, refuse: (problem) => refuse(shownBy(method, problem)) };
        }
        case 'options': {
          const answer = { status: 204, body: null, headers: { allow: found.allow } };
          return { ...open, refuse, handle: () => sendAnswer(request, response, answer) };
        }
        case 'wrong-method': {
          const problem = wrongMethod(request.method ?? '', found.path, found.allow);
          return { ...open, refuse, handle: () => refuse(problem) };
        }
        case 'none':
          return { ...open, refuse, handle: () => refuse(noRoute(found.path)) };
      }
    },
  };
}

async function serve(deps: RestDeps, call: RouteCall, method: RouteMethod): Promise<void> {
  const { request, response } = call;
  try {
    const answer = await method.handle(call);
    if (answer !== undefined && !isGone(response)) await sendAnswer(request, response, answer);
  } catch (error) {
    // A client that breaks off in the middle of a body is gone: nobody is left to answer.
    if (isGone(response) || error instanceof BodyBrokenOffError) return void response.destroy();
    const problem = toProblem(error, deps.logger);
    // A stream of events that has begun can only be broken off: the reader resumes.
    if (response.headersSent) return void response.destroy();
    await sendAnswer(request, response, problemAnswer(request, shownBy(method, problem)));
  }
}

const shownBy = ({ example }: RouteMethod, problem: Problem): Problem =>
  example === undefined ? problem : { ...problem, example: example(problem) };
