/** The calls of botrunner.v1.WorkerService as @grpc/grpc-js takes them: their paths, and messages to bytes and back. */
import { type DescMessage, fromBinary, type MessageShape, toBinary } from '@bufbuild/protobuf';
import {
  ClaimTokensRequestSchema,
  ClaimTokensResponseSchema,
  FetchArtifactRequestSchema,
  FetchArtifactResponseSchema,
  JoinRequestSchema,
  JoinResponseSchema,
  SessionRequestSchema,
  SessionResponseSchema,
  TailLogsRequestSchema,
  TailLogsResponseSchema,
} from '#gen/botrunner/v1/worker_service_pb.js';

interface Streams {
  readonly requests: boolean;
  readonly responses: boolean;
}

/** One call: a MethodDefinition of grpc-js, which clients and servers take alike. */
function method<Q extends DescMessage, S extends DescMessage>(name: string, request: Q, response: S, streams: Streams) {
  return {
    path: `/botrunner.v1.WorkerService/${name}`,
    requestStream: streams.requests,
    responseStream: streams.responses,
    requestSerialize: encoder(request),
    requestDeserialize: decoder(request),
    responseSerialize: encoder(response),
    responseDeserialize: decoder(response),
  };
}

const both: Streams = { requests: true, responses: true };

export const workerService = {
  join: method('Join', JoinRequestSchema, JoinResponseSchema, { requests: false, responses: false }),
  session: method('Session', SessionRequestSchema, SessionResponseSchema, both),
  tailLogs: method('TailLogs', TailLogsRequestSchema, TailLogsResponseSchema, both),
  fetchArtifact: method('FetchArtifact', FetchArtifactRequestSchema, FetchArtifactResponseSchema, {
    requests: false,
    responses: true,
  }),
  claimTokens: method('ClaimTokens', ClaimTokensRequestSchema, ClaimTokensResponseSchema, {
    requests: false,
    responses: false,
  }),
};

function encoder<D extends DescMessage>(schema: D): (message: MessageShape<D>) => Buffer {
  return (message) => {
    const bytes = toBinary(schema, message);
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  };
}

function decoder<D extends DescMessage>(schema: D): (bytes: Buffer) => MessageShape<D> {
  return (bytes) => fromBinary(schema, bytes);
}
