/**
 * The REST routes. A thin translation onto the same doors that gRPC uses; no rule lives here. Everything that is not a
 * Connect or gRPC procedure ends here.
 */
import { type JsonObject, type Problem, ProblemError } from '#common/problem.ts';
import { type AcceptDeps, acceptJob } from '../../requests/accept.ts';
import { jobToJson } from '../../views/job-json.ts';
import { type Identity, requireScope } from '../auth.ts';
import { toProblem } from '../failures.ts';
import { readIdempotency } from '../idempotency.ts';
import type { CallDeps } from '../rpc/call.ts';
import { type EventsRouteDeps, serveEvents } from './events-route.ts';
import { type Answer, fieldsOf, headerOf, type Request, type Response, sendAnswer } from './http.ts';
import { readJsonBody } from './json-body.ts';
import { noRoute } from './pages/no-route.ts';
import { problemAnswer } from './pages/problem-page.ts';
import { publicRoute } from './pages/public-routes.ts';
import { type WorkerRouteDeps, workerRoute } from './worker-routes.ts';

export interface RestDeps extends CallDeps, AcceptDeps, WorkerRouteDeps, EventsRouteDeps {
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
  const job = await acceptJob(deps, userId, wanted.blueprint, wanted.data, idempotency);
  const accepted: JsonObject = { status: 'accepted', job_id: job.jobId, state: 'init' };
  return { status: 202, body: accepted };
}

function getJob(deps: RestDeps, request: Request, jobId: string): Answer {
  const { userId } = client(deps, request);
  return { status: 200, body: jobToJson(deps.engine.getJob(userId, jobId)) };
}

function route(deps: RestDeps, request: Request): Promise<Answer> | Answer {
  const path = (request.url ?? '/').split(/[?#]/, 1)[0] ?? '/';
  const open = publicRoute(request, path);
  if (open !== undefined) return open;
  const { method = '' } = request;
  const reads = method === 'GET' || method === 'HEAD';
  if (method === 'POST' && path === '/jobs') return createJob(deps, request);
  const job = /^(?:\/api)?\/jobs\/([^/]+)$/.exec(path)?.[1];
  if (job !== undefined && reads) return getJob(deps, request, job);
  const blueprint = /^\/api\/jobs\/([^/]+)$/.exec(path)?.[1];
  if (blueprint !== undefined && method === 'POST') return createJob(deps, request, blueprint);
  const worker = workerRoute(deps, request, path);
  if (worker !== undefined) return worker;
  throw new ProblemError(noRoute(method, path));
}

const isEvents = ({ method, url = '/' }: Request): boolean => method === 'GET' && /^\/events(?:[?#]|$)/.test(url);

/** `shutdown` ends the streams that are open. */
export function createRestHandler(deps: RestDeps, shutdown: AbortSignal): RestHandler {
  const refuse = async (request: Request, response: Response, problem: Problem): Promise<void> => {
    sendAnswer(request, response, problemAnswer(request, problem));
  };
  return {
    refuse,
    async handle(request, response) {
      try {
        if (isEvents(request)) return await serveEvents(deps, request, response, shutdown);
        const answer = await route(deps, request);
        if (!response.writableEnded && !response.destroyed) sendAnswer(request, response, answer);
      } catch (error) {
        // Whoever breaks off in the middle of a body is gone, and there is nothing to be told.
        if (response.destroyed) return;
        const problem = toProblem(error, deps.logger);
        // A stream of events that has begun can only be broken off: the reader resumes.
        if (response.headersSent) response.destroy();
        else await refuse(request, response, problem);
      }
    },
  };
}
