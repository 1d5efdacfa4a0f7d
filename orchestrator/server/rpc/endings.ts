/** How each protocol ends a call: the library's own answers to calls in which nothing else happens. */
import type { DescMethod } from '@bufbuild/protobuf';
import { type ConnectError, createConnectRouter, createContextValues } from '@connectrpc/connect';
import type { UniversalHandler, UniversalServerResponse } from '@connectrpc/connect/protocol';
import { Health } from '#gen/grpc/health/v1/health_pb.js';
import { refusalKey } from './access.ts';

export interface Endings {
  /** Handlers that end every call with the `refusalKey` of its context values, in the form of each protocol. */
  readonly unary: UniversalHandler;
  readonly stream: UniversalHandler;
  /** How a stream with this Content-Type ends, well or with an error. */
  ofStream(contentType: string, error: ConnectError | undefined): Promise<UniversalServerResponse>;
}

export function createEndings(): Endings {
  const router = createConnectRouter({
    requestGate: ({ values }) => {
      const refusal = values.get(refusalKey);
      if (refusal !== undefined) throw refusal;
    },
  }).service(Health, { watch: () => nothing() });
  const handlerOf = (method: DescMethod): UniversalHandler => {
    const found = router.handlers.find((handler) => handler.method === method);
    if (found === undefined) throw new Error('the router serves all methods of its services');
    return found;
  };
  const [unary, stream] = [handlerOf(Health.method.check), handlerOf(Health.method.watch)];
  const ask = async (contentType: string, error: ConnectError | undefined): Promise<Ending> => {
    const { status, trailer, body } = await stream({
      httpVersion: '2.0',
      method: 'POST',
      url: `http://localhost${stream.requestPath}`,
      header: new Headers({ 'content-type': contentType }),
      body: emptyRequest(/\bjson\b/i.test(contentType)),
      signal: new AbortController().signal,
      contextValues: createContextValues().set(refusalKey, error),
    });
    const chunks: Uint8Array[] = [];
    for await (const chunk of body ?? []) chunks.push(chunk);
    return { status, chunks, ...(trailer ? { trailer } : {}) };
  };
  /** How calls end well is the same each time. By Content-Type, of which an answer has one of a few. */
  const well = new Map<string, Promise<Ending>>();
  const asIfAsked = (contentType: string): Promise<Ending> => {
    const known = well.get(contentType) ?? ask(contentType, undefined);
    if (well.size < typesMax) well.set(contentType, known);
    return known;
  };
  return {
    unary,
    stream,
    async ofStream(contentType, error) {
      const { chunks, ...ending } = await (error === undefined ? asIfAsked(contentType) : ask(contentType, error));
      return chunks.length === 0 ? ending : { ...ending, body: each(chunks) };
    },
  };
}

interface Ending extends Pick<UniversalServerResponse, 'status' | 'trailer'> {
  readonly chunks: readonly Uint8Array[];
}

const typesMax = 16;

async function* each(chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks;
}

/** A frame with an empty message. */
async function* emptyRequest(asJson: boolean): AsyncGenerator<Uint8Array> {
  yield asJson ? Buffer.from('\0\0\0\0\x02{}') : Buffer.alloc(5);
}

async function* nothing(): AsyncGenerator<never> {}
