/**
 * The REST routes. A thin translation onto the same doors that gRPC uses; no rule lives here. Everything that is not a
 * Connect or gRPC procedure ends here.
 */
import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import type { Http2ServerRequest } from 'node:http2';
import { type Json, type JsonObject, refuse } from '#common/problem.ts';
import { problemCodes } from '#common/problem-codes.ts';
import { type AcceptDeps, acceptJob } from '../../requests/accept.ts';
import { jobToJson, problemToJson } from '../../views/job-json.ts';
import { type Identity, requireScope } from '../auth.ts';
import { toProblem } from '../failures.ts';
import { readIdempotency } from '../idempotency.ts';
import type { CallDeps } from '../rpc/call.ts';
import { readJsonBody } from './json-body.ts';

export interface RestDeps extends CallDeps, AcceptDeps {
  readonly maxBodyBytes: number;
}

export type Request = IncomingMessage | Http2ServerRequest;

/** What the responses of http1 and http2 have in common. */
export interface Response {
  readonly writableEnded: boolean;
  readonly destroyed: boolean;
  writeHead(status: number, headers: OutgoingHttpHeaders): unknown;
  end(body: Uint8Array, done: () => void): unknown;
}

interface Answer {
  readonly status: number;
  readonly body: Json;
}

const fieldsOf = (value: unknown): Readonly<Record<string, unknown>> => {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return Object.assign(Object.create(null), value);
  }
  refuse('MALFORMED_REQUEST', 'The body is not a JSON object.', {
    example: { blueprint: 'bot_runner', data: { action: 'list' } },
  });
};

function client(deps: RestDeps, request: Request): Identity {
  const header = (name: string): string | undefined => {
    const value = request.headers[name];
    return Array.isArray(value) ? value.join(', ') : value;
  };
  return requireScope(deps.tokens.identify(header), 'client');
}

async function createJob(deps: RestDeps, request: Request, blueprint?: string): Promise<Answer> {
  const { userId } = client(deps, request);
  const body = fieldsOf(await readJsonBody(request, deps.maxBodyBytes));
  const wanted =
    blueprint === undefined ? { blueprint: body['blueprint'], data: body['data'] } : { blueprint, data: body };
  const key = request.headers['idempotency-key'];
  const idempotency = readIdempotency(Array.isArray(key) ? key.join(', ') : key, wanted);
  const job = await acceptJob(deps, userId, wanted.blueprint, wanted.data, idempotency);
  const accepted: JsonObject = { status: 'accepted', job_id: job.jobId, state: 'init' };
  return { status: 202, body: accepted };
}

function getJob(deps: RestDeps, request: Request, jobId: string): Answer {
  const { userId } = client(deps, request);
  return { status: 200, body: jobToJson(deps.engine.getJob(userId, jobId)) };
}

function route(deps: RestDeps, request: Request): Promise<Answer> | Answer {
  const path = (request.url ?? '/').replace(/[?#].*$/, '');
  const line = `${request.method} ${path}`;
  if (line === 'GET /health' || line === 'HEAD /health') return { status: 200, body: { status: 'ok' } };
  if (line === 'POST /jobs') return createJob(deps, request);
  const job = /^(?:\/api)?\/jobs\/([^/]+)$/.exec(path)?.[1];
  if (job !== undefined && request.method === 'GET') return getJob(deps, request, job);
  const blueprint = /^\/api\/jobs\/([^/]+)$/.exec(path)?.[1];
  if (blueprint !== undefined && request.method === 'POST') return createJob(deps, request, blueprint);
  refuse('ROUTE_NOT_FOUND', `There is no route ${request.method} on this path.`);
}

const lingerMs = 500;

function send(request: Request, response: Response, { status, body }: Answer): void {
  const text = Buffer.from(JSON.stringify(body));
  const headers = {
    'content-type': 'application/json; charset=utf-8',
    'content-length': text.length,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  };
  // A body that was refused may have no end: the connection (or, in HTTP/2, the stream) ends soon after the answer. Not at
  // once, because bytes that nobody reads make the kernel reset the connection, and the answer is lost with it.
  const unread = !request.complete;
  response.writeHead(status, unread && request.httpVersionMajor === 1 ? { ...headers, connection: 'close' } : headers);
  response.end(request.method === 'HEAD' ? Buffer.alloc(0) : text, () => {
    if (!unread) return;
    request.resume();
    setTimeout(() => request.destroy(), lingerMs).unref();
  });
}

export function createRestHandler(deps: RestDeps): (request: Request, response: Response) => void {
  return (request, response) => {
    void (async () => {
      let answer: Answer;
      try {
        answer = await route(deps, request);
      } catch (error) {
        const problem = toProblem(error, deps.logger);
        answer = { status: problemCodes[problem.code].http, body: { error: problemToJson(problem) } };
      }
      if (response.writableEnded || response.destroyed) return;
      send(request, response, answer);
    })();
  };
}
