/** An orchestrator played by a test over a real grpc-js server: it sends what the test says, and keeps what it receives. */
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import {
  type handleBidiStreamingCall,
  type handleServerStreamingCall,
  type handleUnaryCall,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  status,
} from '@grpc/grpc-js';
import {
  type FetchArtifactRequest,
  type FetchArtifactResponse,
  FetchArtifactResponseSchema,
  type JoinRequest,
  type JoinResponse,
  JoinResponseSchema,
  type SessionRequest,
  type SessionResponse,
  SessionResponseSchema,
  type TailLogsRequest,
  type TailLogsResponse,
  WelcomeSchema,
} from '#gen/botrunner/v1/worker_service_pb.js';
import { workerService } from '../../../worker/session/worker-service.ts';
import { eventually } from '../../kit/eventually.ts';

type RequestBody = SessionRequest['body'];
type RequestCase = NonNullable<RequestBody['case']>;
type RequestValue<K extends RequestCase> = Extract<RequestBody, { case: K }>['value'];

export interface HeardSession {
  readonly heard: SessionRequest[];
  readonly authorization: string;
  over: boolean;
  send(body: MessageInitShape<typeof SessionResponseSchema>['body'] & object): void;
  /** Ends the session: cleanly, with a gRPC status, or as a cut connection does. */
  end(code?: status, details?: string): void;
  /** Waits for the n-th (from 0) message of a kind. */
  hear<K extends RequestCase>(kind: K, n?: number): Promise<RequestValue<K>>;
}

export interface HeardTail {
  readonly heard: TailLogsRequest[];
  over: boolean;
  /** Reads on, where the server opens tails paused. */
  resume(): void;
  end(): void;
}

export interface ScriptedOrchestrator {
  readonly address: string;
  readonly url: string;
  readonly sessions: HeardSession[];
  /** Every Join, in order. */
  readonly joins: { readonly workerId: string; readonly credentialSha256: string; readonly authorization: string }[];
  /** Instead of an answer, Join fails so. */
  joinRefusal: { code: status; details: string } | undefined;
  readonly tails: HeardTail[];
  readonly artifacts: Map<string, Uint8Array>;
  readonly fetches: string[];
  /** Where each fetch began. */
  readonly fetchedFrom: number[];
  /** Ends each fetch after this many bytes, like a broken connection. */
  fetchCutAfter: number;
  /** An orchestrator from before offsets. */
  knowsOffsets: boolean;
  /** Sent when Hello comes; undefined: no answer. */
  welcome: MessageInitShape<typeof WelcomeSchema> | undefined;
  /** Instead of a welcome, the session ends so. */
  refusal: { code: status; details: string } | undefined;
  tailsPaused: boolean;
  session(n: number): Promise<HeardSession>;
  tail(n: number): Promise<HeardTail>;
  /** Cuts all connections at once, as kill -9 does. */
  kill(): void;
}

/** `port` 0 takes any; another one listens there again after a kill. */
export async function startScriptedOrchestrator(port = 0): Promise<ScriptedOrchestrator> {
  const server = new Server({ 'grpc.max_receive_message_length': -1 });
  const session: handleBidiStreamingCall<SessionRequest, SessionResponse> = (call) => {
    const heard = hearSession(call);
    self.sessions.push(heard);
    call.on('data', (message: SessionRequest) => {
      heard.heard.push(message);
      if (message.body.case !== 'hello') return;
      if (self.refusal) heard.end(self.refusal.code, self.refusal.details);
      else if (self.welcome) heard.send({ case: 'welcome', value: create(WelcomeSchema, self.welcome) });
    });
  };
  const tailLogs: handleBidiStreamingCall<TailLogsRequest, TailLogsResponse> = (call) => {
    const tail: HeardTail = { heard: [], over: false, resume: () => call.resume(), end: () => call.end() };
    self.tails.push(tail);
    call.on('data', (message: TailLogsRequest) => tail.heard.push(message));
    call.on('error', () => undefined);
    call.on('end', () => {
      tail.over = true;
      call.end();
    });
    call.on('cancelled', () => {
      tail.over = true;
    });
    if (self.tailsPaused) call.pause();
  };
  const join: handleUnaryCall<JoinRequest, JoinResponse> = (call, done) => {
    self.joins.push({
      workerId: call.request.workerId,
      credentialSha256: call.request.credentialSha256,
      authorization: String(call.metadata.get('authorization')[0] ?? ''),
    });
    if (self.joinRefusal) done({ code: self.joinRefusal.code, details: self.joinRefusal.details });
    else done(null, create(JoinResponseSchema));
  };
  const fetchArtifact: handleServerStreamingCall<FetchArtifactRequest, FetchArtifactResponse> = (call) => {
    const { sha256 } = call.request;
    self.fetches.push(sha256);
    const bytes = self.artifacts.get(sha256);
    if (!bytes) {
      call.emit('error', { code: status.NOT_FOUND, details: 'no such artifact' });
      return;
    }
    const from = self.knowsOffsets ? Number(call.request.offset) : 0;
    self.fetchedFrom.push(from);
    const end = Math.min(bytes.length, from + self.fetchCutAfter);
    for (let at = from; at < end; at += 1000) {
      const offset = self.knowsOffsets ? BigInt(at) : 0n;
      call.write(create(FetchArtifactResponseSchema, { chunk: bytes.subarray(at, Math.min(at + 1000, end)), offset }));
    }
    if (end === bytes.length) call.end();
    else call.emit('error', { code: status.UNAVAILABLE, details: 'cut' });
  };
  server.addService(workerService, { join, session, tailLogs, fetchArtifact });
  const bound = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`127.0.0.1:${port}`, ServerCredentials.createInsecure(), (error, got) =>
      error ? reject(error) : resolve(got),
    );
  });
  const self: ScriptedOrchestrator = {
    address: `127.0.0.1:${bound}`,
    url: `http://127.0.0.1:${bound}`,
    sessions: [],
    joins: [],
    joinRefusal: undefined,
    tails: [],
    artifacts: new Map(),
    fetches: [],
    fetchedFrom: [],
    fetchCutAfter: Number.POSITIVE_INFINITY,
    knowsOffsets: true,
    welcome: { sessionId: 's', protocol: 1, heartbeatIntervalMs: 200, desiredSet: {} },
    refusal: undefined,
    tailsPaused: false,
    session: (n) => nth('session', self.sessions, n),
    tail: (n) => nth('tail', self.tails, n),
    kill: () => server.forceShutdown(),
  };
  return self;
}

async function nth<T>(what: string, list: readonly T[], n: number): Promise<T> {
  await eventually(
    `there is a ${what} ${n}`,
    () => list.length,
    (count) => count > n,
    { timeoutMs: 15_000 },
  );
  const found = list[n];
  if (!found) throw new Error(`no ${what} ${n}`);
  return found;
}

function hearSession(call: ServerDuplexStream<SessionRequest, SessionResponse>): HeardSession {
  const self: HeardSession = {
    heard: [],
    authorization: String(call.metadata.get('authorization')[0] ?? ''),
    over: false,
    send: (body) => void call.write(create(SessionResponseSchema, { body })),
    end(code = status.OK, details = '') {
      if (code === status.OK) call.end();
      else call.emit('error', { code, details });
    },
    async hear(kind, n = 0) {
      const found = await eventually(
        `${kind} ${n} is heard`,
        () => {
          const values = self.heard.flatMap(({ body }) => (body.case === kind ? [body.value] : []));
          return values[n] ?? `only ${self.heard.map(({ body }) => body.case).join(', ')}`;
        },
        (value) => typeof value !== 'string',
        { timeoutMs: 15_000 },
      );
      // Taken from bodies of that case.
      return found as RequestValue<typeof kind>;
    },
  };
  call.on('cancelled', () => {
    self.over = true;
  });
  call.on('end', () => {
    self.over = true;
  });
  call.on('error', () => undefined);
  return self;
}
