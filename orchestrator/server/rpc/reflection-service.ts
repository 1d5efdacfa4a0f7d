/** grpc.reflection.v1 from the descriptors that the generated code carries. */
import { type DescFile, type DescService, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import type { ServiceImpl } from '@connectrpc/connect';
import type {
  ServerReflection,
  ServerReflectionRequest,
  ServerReflectionResponseSchema,
} from '#gen/grpc/reflection/v1/reflection_pb.js';

type Init = Extract<MessageInitShape<typeof ServerReflectionResponseSchema>, { $typeName?: never }>;
type Answer = NonNullable<Init['messageResponse']>;

const notFound = 5;

/** The file and everything it imports, each once, imports first. */
function withImports(file: DescFile, seen = new Set<DescFile>()): ReadonlySet<DescFile> {
  if (seen.has(file)) return seen;
  for (const dependency of file.dependencies) withImports(dependency, seen);
  return seen.add(file);
}

/** Full names declared in a file, with the methods of its services and nested types. */
function symbolsOf(file: DescFile): readonly string[] {
  const nested = (message: DescFile['messages'][number]): string[] => [
    message.typeName,
    ...message.nestedEnums.map(({ typeName }) => typeName),
    ...message.nestedMessages.flatMap(nested),
  ];
  return [
    ...file.messages.flatMap(nested),
    ...file.enums.map(({ typeName }) => typeName),
    ...file.services.flatMap(({ typeName, methods }) => [
      typeName,
      ...methods.map(({ name }) => `${typeName}.${name}`),
    ]),
  ];
}

export function createReflectionService(services: readonly DescService[]): ServiceImpl<typeof ServerReflection> {
  const files = new Set(services.flatMap(({ file }) => [...withImports(file)]));
  // protobuf-es names files without their extension; the descriptor inside has it.
  const byName = new Map([...files].map((file) => [file.proto.name, file]));
  const bySymbol = new Map([...files].flatMap((file) => symbolsOf(file).map((symbol) => [symbol, file] as const)));
  const found = (file: DescFile | undefined): Answer =>
    file === undefined
      ? { case: 'errorResponse', value: { errorCode: notFound, errorMessage: 'not found' } }
      : {
          case: 'fileDescriptorResponse',
          value: {
            fileDescriptorProto: [...withImports(file)].map(({ proto }) => toBinary(FileDescriptorProtoSchema, proto)),
          },
        };
  const answer = ({ messageRequest }: ServerReflectionRequest): Answer => {
    switch (messageRequest.case) {
      case 'listServices':
        return {
          case: 'listServicesResponse',
          value: { service: services.map(({ typeName }) => ({ name: typeName })) },
        };
      case 'fileByFilename':
        return found(byName.get(messageRequest.value));
      case 'fileContainingSymbol':
        return found(bySymbol.get(messageRequest.value));
      default:
        return found(undefined);
    }
  };
  return {
    async *serverReflectionInfo(requests) {
      for await (const request of requests) {
        yield { validHost: request.host, originalRequest: request, messageResponse: answer(request) };
      }
    },
  };
}
