/**
 * Serves procedures by Connect, gRPC and gRPC-Web to requests of Node.js. The protocols themselves are the library's; this
 * is the way in: what is refused before there is a handler, the bounds of the body, and how the answer is written.
 */
import type { Http2ServerRequest } from 'node:http2';
import type { DescMethod, DescService, Message } from '@bufbuild/protobuf';
import { MethodOptions_IdempotencyLevel } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError, createConnectRouter, createContextValues, type ServiceImpl } from '@connectrpc/connect';
import type { UniversalHandler, UniversalServerRequest } from '@connectrpc/connect/protocol';
import { compressionGzip } from '@connectrpc/connect-node';
import type { Logger } from '#common/log.ts';
import { type Problem, problem } from '#common/problem.ts';
import { problemCodes } from '#common/problem-codes.ts';
import type { Doorway } from '#common/waiting/doorway.ts';
import { JobService } from '#gen/botrunner/v1/job_service_pb.js';
import type { Allowance, Call, CallTerms } from '../admission/admission.ts';
import { discardRest } from '../body/discard-rest.ts';
import { bodyBytes } from '../body/request-bytes.ts';
import { isGone } from '../is-gone.ts';
import type { NodeRequest, NodeResponse } from '../node-http.ts';
import type { Target } from '../request-target.ts';
import { gate, identityKey, refusalKey, signalKey } from './access.ts';
import { toConnectError } from './connect-error.ts';
import { cutShort } from './cut-short.ts';
import { type DirectCall, takeDirect, takeDirectOne } from './direct-call.ts';
import { createEndings } from './endings.ts';
import {
  type OwnAnswer,
  ownAnswerOf,
  type RequestReader,
  readerKey,
  runOwnStream,
  type TakenCall,
  takenFrom,
} from './own-stream.ts';
import { messagesOf, recursionLimit, requestBody } from './request-body.ts';
import { sendResponse } from './send-response.ts';
import { encodingHeaders, isEndless, type Wire, wireOf } from './wire.ts';

export interface Served {
  readonly service: DescService;
  readonly implementation: Partial<ServiceImpl<DescService>>;
}

export const served = <S extends DescService>(service: S, implementation: ServiceImpl<S>): Served => ({
  service,
  // The router takes each method from it by the descriptor that it was made for.
  implementation: implementation as Partial<ServiceImpl<DescService>>,
});

export interface ProceduresDeps {
  readonly logger: Logger;
  readonly services: readonly Served[];
  /** Procedures whose plain gRPC calls do not come to the library. */
  readonly direct: readonly DirectCall[];
  readonly termsOf: (method: DescMethod) => CallTerms;
  /** Ends every call that is under way, with its reason. */
  readonly shutdown: AbortSignal;
  /** For those who come to watch: they come in crowds, as after a restart. */
  readonly doorway: Doorway;
}

export interface Procedures {
  /** True when the request is for a procedure, known or not. */
  takes(request: NodeRequest, target: Target): boolean;
  find(request: NodeRequest, response: NodeResponse, target: Target): Call;
  refuse(request: NodeRequest, response: NodeResponse, problem: Problem): Promise<void>;
}

/** A request for a procedure, and what it was granted. */
interface Admitted {
  readonly handler: UniversalHandler;
  readonly request: NodeRequest;
  readonly response: NodeResponse;
  readonly query: string;
  readonly allowance: Allowance;
}

/** A call that is answered by a stream of its own, and the head of the answer. */
interface Taken {
  readonly call: TakenCall;
  readonly header: Headers;
}

// Below this gzip costs more time than it saves; a list of a few bots is below.
const compressMinBytes = 16 * 1024;
const procedurePath = /^\/[\w]+(?:\.[\w]+)+\/[\w]+$/;

export function createProcedures(deps: ProceduresDeps): Procedures {
  const { services, termsOf, shutdown } = deps;
  const options = {
    binaryOptions: { recursionLimit },
    interceptors: [cutShort],
    requestGate: gate,
    shutdownSignal: shutdown,
  };
  // A stream is never compressed: gzip of every message made dispatch 3 times and log tailing 6 times slower.
  const plain = createConnectRouter({ ...options, acceptCompression: [] });
  const compressing = createConnectRouter({ ...options, acceptCompression: [compressionGzip], compressMinBytes });
  for (const router of [plain, compressing]) {
    for (const { service, implementation } of services) router.service(service, implementation);
  }
  const byPath = new Map([
    ...compressing.handlers.map((handler) => [handler.requestPath, handler] as const),
    ...plain.handlers
      .filter(({ method }) => method.methodKind !== 'unary')
      .map((handler) => [handler.requestPath, handler] as const),
  ]);
  const endings = createEndings();
  const directs = new Map<DescMethod, DirectCall>(deps.direct.map((direct) => [direct.method, direct]));
  const owns = new Map<DescMethod, OwnAnswer<Message>>();
  for (const { service, implementation } of services) {
    for (const method of service.methods) {
      const own = ownAnswerOf(implementation[method.localName]);
      if (own !== undefined) owns.set(method, own);
    }
  }

  /** Undefined when the call was answered, or what is left of it when the library has only taken it. */
  const answer = async (
    handler: UniversalHandler,
    request: NodeRequest,
    response: NodeResponse,
    call: Omit<UniversalServerRequest, 'httpVersion' | 'url' | 'signal'>,
    fixed: { readonly status?: number; readonly headers?: Record<string, string> } = {},
  ): Promise<Taken | undefined> => {
    const gone = new AbortController();
    const onClose = () => gone.abort(new ConnectError('the caller is gone', Code.Canceled));
    response.once('close', onClose);
    // The address it was sent to means nothing to any handler, and no text of the request gets into a URL.
    const url = `http://localhost${handler.requestPath}`;
    const answered = await handler({ httpVersion: request.httpVersion, url, signal: gone.signal, ...call });
    const header = new Headers(answered.header);
    const takenCall = takenFrom(call.contextValues);
    if (takenCall !== undefined) {
      // To its end, where the library lets go of everything that it set up for the call.
      for await (const _ of answered.body ?? []);
      response.removeListener('close', onClose);
      return { call: takenCall, header };
    }
    for (const [name, value] of Object.entries(fixed.headers ?? {})) header.set(name, value);
    await sendResponse({ ...answered, header, status: fixed.status ?? answered.status }, response);
    discardRest(request);
    return undefined;
  };

  const refuse = async (request: NodeRequest, response: NodeResponse, refused: Problem, allow?: string) => {
    const wire = wireOf(request.headers['content-type']);
    const contextValues = createContextValues();
    contextValues.set(refusalKey, toConnectError(refused));
    const header = new Headers({ 'content-type': 'application/json' });
    if (wire !== undefined) header.set('content-type', String(request.headers['content-type']));
    const handler = wire?.protocol === 'connect-stream' ? endings.stream : endings.unary;
    // gRPC and streams have their own place for the error, and 200 as status.
    const own = wire === undefined || wire.protocol === 'connect' ? { status: problemCodes[refused.code].http } : {};
    const headers = allow === undefined ? {} : { headers: { allow } };
    await answer(
      handler,
      request,
      response,
      { method: 'POST', header, body: none(), contextValues },
      { ...own, ...headers },
    );
  };

  const open = async ({ handler, request, response, query, allowance }: Admitted): Promise<Taken | undefined> => {
    const { method } = handler;
    if (method.methodKind === 'server_streaming' || method.methodKind === 'bidi_streaming') {
      await deps.doorway.enter();
      if (isGone(response)) return undefined;
    }
    const { identity } = allowance;
    const { body: bounds, hold, turn, large } = allowance;
    const rules = { method, bounds, hold, turn, large };
    const [direct, own] = [directs.get(method), owns.get(method)];
    if ((direct ?? own) !== undefined && identity !== undefined && isPlainGrpc(request)) {
      const way = { incoming: request.stream, rules, identity, logger: deps.logger };
      if (direct !== undefined) return { call: takeDirect(direct, way), header: plainHeader };
      if (own !== undefined) {
        const bytes = bodyBytes(request, allowance);
        const read: RequestReader = (signal) =>
          messagesOf({ bytes, gzip: false, signal: () => signal }, plainWire, rules);
        return { call: takeDirectOne(own, read, way), header: plainHeader };
      }
    }
    const call = readCall(request, method, query);
    if ('refused' in call) {
      await refuse(request, response, call.refused, call.allow);
      return undefined;
    }
    const contextValues = createContextValues();
    contextValues.set(identityKey, identity);
    const header = headersOf(request, call.wire);
    const gzip = call.encoding === 'gzip';
    if (!gzip && call.encoding !== 'identity') contextValues.set(refusalKey, unknownEncoding(call.wire));
    const source = { bytes: call.message ?? bodyBytes(request, allowance), gzip };
    const isRead = method !== JobService.method.submitJobs;
    if (!isRead) {
      contextValues.set(readerKey, (signal) => messagesOf({ ...source, signal: () => signal }, call.wire, rules));
    }
    const signal = () => contextValues.get(signalKey) ?? shutdown;
    const body = isRead ? requestBody({ ...source, signal }, call.wire, rules) : none();
    return answer(handler, request, response, { method: 'POST', header, body, contextValues });
  };

  // Two functions, so that a stream which lasts for days holds nothing of what it took to open it.
  const serve = async (admitted: Admitted): Promise<void> => {
    const { request, response } = admitted;
    const taken = await open(admitted);
    if (taken === undefined) return;
    await runOwnStream(taken.call, { response, header: taken.header, shutdown, endings });
    discardRest(request);
  };

  return {
    takes: (request, { path }) =>
      byPath.has(path) ||
      procedurePath.test(path) ||
      /^application\/(grpc|connect\+)/i.test(request.headers['content-type'] ?? ''),
    refuse,
    find(request, response, { path, query }) {
      const handler = byPath.get(path);
      const refuseIt = (problem: Problem) => refuse(request, response, problem);
      if (handler === undefined) {
        const unknown = problem('ROUTE_NOT_FOUND', 'This server has no such procedure.');
        return { scopes: undefined, body: 'open', refuse: refuseIt, handle: () => refuseIt(unknown) };
      }
      const handle = (allowance: Allowance) => serve({ handler, request, response, query, allowance });
      return { ...termsOf(handler.method), refuse: refuseIt, handle };
    },
  };
}

const plainWire: Wire = { protocol: 'grpc', binary: true };
/** What a plain gRPC call is answered with, as the library does it. */
const plainHeader = new Headers({ 'content-type': 'application/grpc+proto' });

/** Over HTTP/2, in protobuf, without compression and deadline. */
function isPlainGrpc(request: NodeRequest): request is Http2ServerRequest {
  const { headers } = request;
  const wire = wireOf(headers['content-type']);
  const encoding = headers['grpc-encoding'] ?? 'identity';
  const isPlain = wire?.protocol === 'grpc' && wire.binary && encoding === 'identity';
  return isPlain && 'stream' in request && request.method === 'POST' && headers['grpc-timeout'] === undefined;
}

interface WireCall {
  readonly wire: Wire;
  /** The encoding of the request's messages: identity, gzip, or an unknown one. */
  readonly encoding: string;
  /** Where it is not the body of the request. */
  readonly message?: AsyncIterable<Uint8Array>;
}

/** Chooses the protocol, or says why there is none. */
function readCall(
  request: NodeRequest,
  { methodKind, idempotency }: DescMethod,
  query: string,
): WireCall | { readonly refused: Problem; readonly allow?: string } {
  const byGet = methodKind === 'unary' && idempotency === MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS;
  if (request.method === 'GET' && byGet) return readGet(new URLSearchParams(query));
  if (request.method !== 'POST') {
    const allow = byGet ? 'POST, GET' : 'POST';
    return {
      refused: problem('METHOD_NOT_ALLOWED', `This procedure is called with ${allow.replace(', ', ' or ')}.`),
      allow,
    };
  }
  const wire = wireOf(request.headers['content-type']);
  const streams = wire !== undefined && wire.protocol !== 'connect';
  const unary = wire !== undefined && wire.protocol !== 'connect-stream';
  if (wire === undefined || (methodKind === 'unary' ? !unary : !streams)) {
    const type =
      methodKind === 'unary' ? 'application/json or application/proto' : 'application/connect+json or +proto';
    return {
      refused: problem('UNSUPPORTED_MEDIA_TYPE', 'This procedure cannot be called with this Content-Type.', {
        hint: `Send Content-Type: ${type} for Connect, application/grpc for gRPC.`,
      }),
    };
  }
  if (methodKind === 'bidi_streaming' && request.httpVersionMajor < 2) {
    return {
      refused: problem('UNSUPPORTED_MEDIA_TYPE', 'This procedure needs HTTP/2.', { hint: 'Call it over HTTP/2.' }),
    };
  }
  const encoding = request.headers[encodingHeaders[wire.protocol].sent];
  return { wire, encoding: encoding === undefined ? 'identity' : String(encoding) };
}

/** https://connectrpc.com/docs/protocol/#unary-get-request */
function readGet(query: URLSearchParams): WireCall | { readonly refused: Problem } {
  const encoding = query.get('encoding');
  if (encoding !== 'json' && encoding !== 'proto') {
    const hint = 'Call it with POST, or give encoding=json and message=... in the query.';
    return { refused: problem('MALFORMED_REQUEST', 'The query has no known encoding.', { hint }) };
  }
  const text = query.get('message') ?? '';
  const message = Buffer.from(text, query.get('base64') === '1' ? 'base64url' : 'utf8');
  return {
    wire: { protocol: 'connect', binary: encoding === 'proto' },
    encoding: query.get('compression') || 'identity',
    message: one(message),
  };
}

/** What the handler sees: without what has been dealt with here. */
function headersOf(request: NodeRequest, wire: Wire): Headers {
  const headers = new Headers();
  for (const [name, value] of Object.entries(request.headers)) {
    if (name.startsWith(':') || value === undefined || name === 'content-length') continue;
    if (name === encodingHeaders[wire.protocol].sent) continue;
    if ((name === 'grpc-timeout' || name === 'connect-timeout-ms') && isEndless(name, String(value))) continue;
    for (const each of [value].flat()) headers.append(name, each);
  }
  if (request.method === 'GET') headers.set('content-type', `application/${wire.binary ? 'proto' : 'json'}`);
  return headers;
}

function unknownEncoding({ protocol }: Wire): ConnectError {
  const refused = problem('MALFORMED_REQUEST', 'The messages are compressed in an unsupported way.', {
    hint: 'Send them uncompressed or with gzip.',
  });
  return toConnectError(refused, Code.Unimplemented, { [encodingHeaders[protocol].accepted]: 'gzip' });
}

async function* one(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

async function* none(): AsyncGenerator<Uint8Array> {}
