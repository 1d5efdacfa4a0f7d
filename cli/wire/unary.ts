/**
 * Calls with one answer, by the Connect protocol over HTTP/1.1 (https://connectrpc.com/docs/protocol): what
 * createConnectTransport() does, without the web streams, Headers and HTTP/2 session that it brings along. They take longer
 * to load than the whole rest of `list`.
 */
import { create, type DescMessage, type DescMethodUnary, fromBinary, toBinary } from '@bufbuild/protobuf';
import { Code, ConnectError, type Transport } from '@connectrpc/connect';
import type { ConnectionSettings } from '../options/settings.ts';
import { type PostAnswer, post } from './post.ts';
import { isOtherProtocol, reasonError } from './reasons.ts';

/** `fallback` is for an address that speaks HTTP/2 alone. */
export function createUnary(
  { url, token }: ConnectionSettings,
  fallback: () => Promise<Transport>,
): Transport['unary'] {
  let useFallback = false;
  return async (method, signal, timeoutMs, header, input, contextValues) => {
    const call = async () => {
      useFallback = true;
      return (await fallback()).unary(method, signal, timeoutMs, header, input, contextValues);
    };
    if (useFallback) return call();
    const body = toBinary(method.input, create(method.input, input));
    const headers = {
      ...(header === undefined ? {} : Object.fromEntries(new Headers(header))),
      authorization: `Bearer ${token.reveal()}`,
      'content-type': 'application/proto',
      'connect-protocol-version': '1',
      ...(timeoutMs === undefined ? {} : { 'connect-timeout-ms': String(timeoutMs) }),
    };
    const target = new URL(`${url}/${method.parent.typeName}/${method.name}`);
    try {
      return await responseOf(method, await post(target, { headers, body, signal, timeoutMs }));
    } catch (error) {
      if (isOtherProtocol(error)) return call();
      throw error instanceof ConnectError ? error : reasonError(error);
    }
  };
}

async function responseOf<I extends DescMessage, O extends DescMessage>(
  method: DescMethodUnary<I, O>,
  answer: PostAnswer,
) {
  const { status, contentType, body } = answer;
  if (status !== 200) throw await refusalOf(answer);
  if (contentType !== 'application/proto') {
    throw new ConnectError(`unsupported content type ${contentType}`, Code.Unknown);
  }
  return {
    stream: false,
    service: method.parent,
    method,
    message: fromBinary(method.output, body),
    // Nobody here asks for them, and they would bring all of fetch with them.
    get header() {
      return new Headers();
    },
    get trailer() {
      return new Headers();
    },
  } as const;
}

/** The error of an answer: from its body, else by the HTTP status. */
async function refusalOf({ status, contentType, body }: PostAnswer): Promise<ConnectError> {
  const { codeFromHttpStatus, errorFromJsonBytes } = await import('@connectrpc/connect/protocol-connect');
  const byStatus = new ConnectError(`HTTP ${status}`, codeFromHttpStatus(status));
  if (!/^application\/json\b/.test(contentType)) return byStatus;
  const told = errorFromJsonBytes(body, undefined, byStatus);
  // JSON of something else than the Connect protocol has neither message nor details.
  return told.rawMessage === '' && told.details.length === 0 ? byStatus : told;
}
