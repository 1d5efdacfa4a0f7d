/**
 * The REST routes. A thin translation onto the same doors that gRPC uses; no rule lives here. Everything that is not a
 * Connect or gRPC procedure ends here.
 */
import type { JsonObject } from '#common/json.ts';
import type { Problem } from '#common/problem.ts';
import { type SubmitDeps, submitJob } from '../../requests/submit.ts';
import { jobToJson } from '../../views/job-json.ts';
import { type Identity, requireScope } from '../auth.ts';
import { toProblem } from '../failures.ts';
import { readIdempotency } from '../idempotency.ts';
import { isGone } from '../is-gone.ts';
import { BodyBrokenOffError } from '../request-bytes.ts';
import type { CallDeps } from '../rpc/call.ts';
import { createEventsRoute, type EventsRouteDeps } from './events-route.ts';
import { type Answer, fieldsOf, headerOf, type Request, type Response, sendAnswer } from './http.ts';
import { readJsonBody } from './json-body.ts';
import { noRoute, wrongMethod } from './pages/no-route.ts';
import { problemAnswer } from './pages/problem-page.ts';
import { publicRoutes } from './pages/public-routes.ts';
import { findRoute, type Route, type RouteHandler } from './route.ts';
import { type WorkerRouteDeps, workerRoutes } from './worker-routes.ts';

export interface RestDeps extends CallDeps, SubmitDeps, WorkerRouteDeps, EventsRouteDeps {
  /** For bodies that carry a source. */
  readonly maxBodyBytes: number;
}

export interface RestHandler {
  handle(request: Request, response: Response): Promise<void>;
  refuse(request: Request, response: Response, problem: Problem): Promise<void>;
}

const client = (deps: RestDeps, request: Request): Identity =>
  requireScope(deps.tokens.identify(headerOf(request)), 'client');

async function createJob(deps: RestDeps, request: Request, blueprint?: string): Promise<Answer> {
  const { userId } = client(deps, request);
  const body = fieldsOf(await readJsonBody(request, deps.maxBodyBytes));
  const wanted =
    blueprint === undefined ? { blueprint: body['blueprint'], data: body['data'] } : { blueprint, data: body };
  const idempotency = readIdempotency(headerOf(request)('idempotency-key'), wanted);
  const job = await submitJob(deps, userId, { ...wanted, idempotency, absentFails: blueprint !== undefined });
  const accepted: JsonObject = { status: 'accepted', job_id: job.jobId, state: 'init' };
  return { status: 202, body: accepted };
}

async function getJob(deps: RestDeps, request: Request, jobId: string): Promise<Answer> {
  const { userId } = client(deps, request);
  return { status: 200, body: jobToJson(await deps.engine.getJob(userId, jobId)) };
}

function routesOf(deps: RestDeps): readonly Route[] {
  const job: RouteHandler = ({ request, params }) => getJob(deps, request, params[0] ?? '');
  return [
    ...publicRoutes(() => deps.store.trouble()),
    { pattern: /^\/jobs$/, methods: { POST: ({ request }) => createJob(deps, request) } },
    { pattern: /^\/jobs\/([^/]+)$/, methods: { GET: job } },
    {
      pattern: /^\/api\/jobs\/([^/]+)$/,
      methods: { GET: job, POST: ({ request, params }) => createJob(deps, request, params[0] ?? '') },
    },
    { pattern: /^\/events$/, methods: { GET: createEventsRoute(deps) }, noHead: true },
    ...workerRoutes(deps),
  ];
}

/** `shutdown` ends the streams that are open. */
export function createRestHandler(deps: RestDeps, shutdown: AbortSignal): RestHandler {
  const routes = routesOf(deps);
  const answerTo = (request: Request, response: Response): ReturnType<RouteHandler> => {
    const [path = '/', query = ''] = (request.url ?? '/').split(/\?(.*)/s);
    const found = findRoute(routes, request.method ?? '', path);
    switch (found.kind) {
      case 'route': {
        const { params } = found;
        return found.handler({ request, response, params, query: new URLSearchParams(query), shutdown });
      }
      case 'options':
        return { status: 204, body: null, headers: { allow: found.allow } };
      case 'wrong-method':
        return problemAnswer(request, wrongMethod(request.method ?? '', found.path, found.allow));
      case 'none':
        return problemAnswer(request, noRoute(found.path));
    }
  };
  return {
    async refuse(request, response, problem) {
      await sendAnswer(request, response, problemAnswer(request, problem));
    },
    async handle(request, response) {
      try {
        const answer = await answerTo(request, response);
        if (answer !== undefined && !isGone(response)) await sendAnswer(request, response, answer);
      } catch (error) {
        // A client that breaks off in the middle of a body is gone: nobody is left to answer.
        if (isGone(response) || error instanceof BodyBrokenOffError) return void response.destroy();
        const problem = toProblem(error, deps.logger);
        // A stream of events that has begun can only be broken off: the reader resumes.
        if (response.headersSent) response.destroy();
        else await sendAnswer(request, response, problemAnswer(request, problem));
      }
    },
  };
}
