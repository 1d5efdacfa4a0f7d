/**
 * A worker played by a test over a real grpc-js channel: it sends what the test says, and keeps what it receives. An
 * outside witness: it shares no code with our worker, only the contract.
 */
import { createHash } from 'node:crypto';
import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { Client, type ClientDuplexStream, credentials, Metadata, type ServiceError } from '@grpc/grpc-js';
import { BotState } from '#gen/botrunner/v1/bot_pb.js';
import {
  type BotObservationSchema,
  CapacitySchema,
  type ClaimTokensRequest,
  ClaimTokensRequestSchema,
  type ClaimTokensResponse,
  ClaimTokensResponseSchema,
  type Ensure,
  type HelloSchema,
  type JoinRequest,
  JoinRequestSchema,
  type SessionRequest,
  SessionRequestSchema,
  type SessionResponse,
  SessionResponseSchema,
  type TailLogsRequest,
  TailLogsRequestSchema,
} from '#gen/botrunner/v1/worker_service_pb.js';
import { eventually } from './eventually.ts';
import { workerToken } from './orchestrator-for-tests.ts';

type Body = NonNullable<Extract<MessageInitShape<typeof SessionRequestSchema>, { $typeName?: never }>['body']>;

export interface ScriptedWorker {
  readonly heard: SessionResponse[];
  /** The status the session ended with, once it has. */
  readonly ended: () => ServiceError | undefined;
  send(body: Body): void;
  /** Calls back for each message at once, for measuring. */
  onMessage(listener: (message: SessionResponse) => void): void;
  /** Waits for the next message of a kind that was not taken yet. */
  take<K extends SessionResponse['body']['case']>(
    kind: K,
  ): Promise<Extract<SessionResponse['body'], { case: K }>['value']>;
  /** Reports a task as done with the bot running (or as given). */
  succeed(ensure: Ensure, observation?: MessageInitShape<typeof BotObservationSchema>): void;
  /** Asks for the Telegram tokens in a source; rejects with a ServiceError. */
  claimTokens(request: MessageInitShape<typeof ClaimTokensRequestSchema>): Promise<ClaimTokensResponse>;
  /** Opens the stream for a tail and sends entries. */
  tail(messages: readonly MessageInitShape<typeof TailLogsRequestSchema>[], options?: { keepOpen?: boolean }): void;
  close(): void;
}

export const observed = (
  ensure: Pick<Ensure, 'userId' | 'botId' | 'generation' | 'epoch' | 'revision'>,
  extra: MessageInitShape<typeof BotObservationSchema> = {},
): MessageInitShape<typeof BotObservationSchema> => ({
  userId: ensure.userId,
  botId: ensure.botId,
  generation: ensure.generation,
  epoch: ensure.epoch,
  revision: ensure.revision,
  state: BotState.RUNNING,
  containerId: `c-${ensure.botId}-${ensure.revision}`,
  containerName: `bot_${ensure.botId}`,
  ...extra,
});

/** A worker's credential. As workers derive nothing from it, it may be made of the id: the same worker has the same one. */
export const credentialOf = (workerId: string): string =>
  createHash('sha256').update(`credential of ${workerId}`).digest('base64url');

/** Makes the credential known with a join token; the error that Join was refused with, if it was. */
export function joinScriptedWorker(
  address: string,
  workerId: string,
  token = workerToken,
  credential = credentialOf(workerId),
): Promise<ServiceError | undefined> {
  const client = new Client(address, credentials.createInsecure());
  const metadata = new Metadata();
  metadata.set('authorization', `Bearer ${token}`);
  const request = create(JoinRequestSchema, {
    workerId,
    credentialSha256: createHash('sha256').update(credential).digest('hex'),
  });
  return new Promise((resolve) => {
    client.makeUnaryRequest(
      '/botrunner.v1.WorkerService/Join',
      (message: JoinRequest) => Buffer.from(toBinary(JoinRequestSchema, message)),
      (bytes: Buffer) => bytes,
      request,
      metadata,
      (error) => {
        client.close();
        resolve(error ?? undefined);
      },
    );
  });
}

/** Joins, then opens a session. A Join that is refused is the session's end. */
export async function connectScriptedWorker(
  address: string,
  hello: MessageInitShape<typeof HelloSchema> = {},
  token = workerToken,
  credential = credentialOf(hello.workerId ?? 'w1'),
): Promise<ScriptedWorker> {
  const refused = await joinScriptedWorker(address, hello.workerId ?? 'w1', token, credential);
  const client = new Client(address, credentials.createInsecure());
  const metadata = new Metadata();
  metadata.set('authorization', `Bearer ${credential}`);
  const serialize = (message: SessionRequest) => Buffer.from(toBinary(SessionRequestSchema, message));
  const stream: ClientDuplexStream<SessionRequest, SessionResponse> = client.makeBidiStreamRequest(
    '/botrunner.v1.WorkerService/Session',
    serialize,
    (bytes) => fromBinary(SessionResponseSchema, bytes),
    metadata,
  );
  const heard: SessionResponse[] = [];
  const taken = new Set<SessionResponse>();
  let ended: ServiceError | undefined = refused;
  stream.on('data', (message: SessionResponse) => heard.push(message));
  stream.on('error', (error: ServiceError) => {
    ended ??= error;
  });
  const send = (body: Body) => {
    stream.write(create(SessionRequestSchema, { body: body }));
  };
  send({
    case: 'hello',
    value: {
      workerId: 'w1',
      bootId: 'boot',
      protocolMin: 1,
      protocolMax: 1,
      runtime: 'docker',
      version: '0',
      ready: true,
      capabilities: [
        'mode.simple',
        'mode.custom',
        'mode.image',
        'language.python',
        'language.node',
        'restart.in_place',
        'adopt',
      ],
      capacity: create(CapacitySchema, { memoryBytes: BigInt(8 * 1024 ** 3), cpuMillis: 4000 }),
      ...hello,
    },
  });
  return {
    heard,
    ended: () => ended,
    send,
    onMessage: (listener) => {
      stream.on('data', listener);
    },
    async take(kind) {
      const found = await eventually(
        `the worker hears ${kind}`,
        () =>
          heard.find((message) => message.body.case === kind && !taken.has(message)) ?? {
            heard: heard.map((m) => m.body.case),
            ended,
          },
        (state) => '$typeName' in state,
      );
      // The predicate only lets a message through.
      const message = found as SessionResponse;
      taken.add(message);
      return message.body.value as never; // its case is `kind`
    },
    claimTokens: (request) =>
      new Promise((resolve, reject) => {
        client.makeUnaryRequest(
          '/botrunner.v1.WorkerService/ClaimTokens',
          (message: ClaimTokensRequest) => Buffer.from(toBinary(ClaimTokensRequestSchema, message)),
          (bytes: Buffer) => fromBinary(ClaimTokensResponseSchema, bytes),
          create(ClaimTokensRequestSchema, request),
          metadata,
          (error, response) => (response ? resolve(response) : reject(error)),
        );
      }),
    succeed(ensure, observation = observed(ensure)) {
      send({
        case: 'result',
        value: { taskId: ensure.taskId, outcome: { case: 'succeeded', value: {} }, observation },
      });
    },
    tail(messages, { keepOpen = false } = {}) {
      const tail = client.makeBidiStreamRequest(
        '/botrunner.v1.WorkerService/TailLogs',
        (message: TailLogsRequest) => Buffer.from(toBinary(TailLogsRequestSchema, message)),
        (bytes: Buffer) => bytes,
        metadata,
      );
      tail.on('data', () => undefined);
      // A tail that its reader has left ends with a status the test does not care about.
      tail.on('error', () => undefined);
      for (const message of messages) tail.write(create(TailLogsRequestSchema, message));
      if (!keepOpen) tail.end();
    },
    close() {
      stream.cancel();
      client.close();
    },
  };
}
