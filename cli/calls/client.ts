/**
 * The connection to the orchestrator: the Connect protocol, with the user's token on every call. Calls with one answer go
 * over HTTP/1.1, which is there in a third of the time; streams go over HTTP/2, which notices a peer that is frozen, or over
 * HTTP/1.1 where a proxy speaks nothing else.
 */
import type { DescService } from '@bufbuild/protobuf';
import { type Client as ConnectClient, createClient, type Transport } from '@connectrpc/connect';
import type { ConnectionSettings } from '../options/settings.ts';
import type { Http2Wire } from '../wire/http2.ts';
import { createUnary } from '../wire/unary.ts';

export interface Client {
  /** The calls of one service. A command imports the service it needs, so that no others are loaded. */
  readonly for: <S extends DescService>(service: S) => ConnectClient<S>;
  /** Makes a call that is no part of `for`, or that cannot be repeated as it is, again when it was too much at once. */
  readonly patiently: <T>(call: () => Promise<T>) => Promise<T>;
  /** Ends the connection and everything on it, so that the program can end. */
  readonly close: () => void;
}

/** How long one answer may take, in ms. Streams have their own bounds. */
export const callTimeoutMs = 30_000;

/** Opens nothing yet: the first call does. */
export function openClient(settings: ConnectionSettings): Client {
  let opened: Promise<Http2Wire> | undefined;
  const http2 = async (): Promise<Transport> => {
    opened ??= import('../wire/http2.ts').then(({ openHttp2 }) => openHttp2(settings));
    return (await opened).transport;
  };
  let chosen: Promise<Transport> | undefined;
  const streams = (): Promise<Transport> => {
    chosen ??= chooseForStreams(settings, http2);
    return chosen;
  };
  const transport: Transport = {
    unary: createUnary(settings, http2),
    stream: async (...call) => (await streams()).stream(...call),
  };
  return clientOver(transport, () => void opened?.then(({ close }) => close()));
}

async function chooseForStreams(settings: ConnectionSettings, http2: () => Promise<Transport>): Promise<Transport> {
  const { speaksHttp2 } = await import('../wire/speaks-http2.ts');
  if (await speaksHttp2(settings.url)) return http2();
  const { openHttp1 } = await import('../wire/http1.ts');
  return openHttp1(settings);
}

/** The same over any transport. */
export const clientOver = (transport: Transport, close: () => void): Client => ({
  for: (service) => createClient(service, transport),
  patiently: (call) => call(),
  close,
});
