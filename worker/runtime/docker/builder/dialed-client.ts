/** A client for an engine that is not at an address: each of its connections is made by a function. */
import { Agent, type AgentOptions } from 'node:http';
import type { Duplex } from 'node:stream';
import { type EngineClient, engineClientOver } from '../engine-client.ts';

/** Makes one connection to an engine. */
export type DialEngine = (signal: AbortSignal) => Promise<Duplex>;

export interface DialedClient {
  readonly client: EngineClient;
  /** Ends its connections, those in use too, and makes no others. */
  close(): void;
}

/** Short calls share so many connections, which stay for a while: making one starts a program. */
const shortConnections = 4;
const dialMs = 30_000;

export function createDialedClient(dial: DialEngine): DialedClient {
  const ended = new AbortController();
  const shortAgent = new DialingAgent(dial, ended.signal, { keepAlive: true, maxSockets: shortConnections });
  const longAgent = new DialingAgent(dial, ended.signal, { keepAlive: false });
  return {
    // The name is never looked up: the agents make the connections.
    client: engineClientOver({ address: { host: 'builder.invalid', port: 80 }, shortAgent, longAgent }),
    close() {
      ended.abort(new Error('the builder is being removed'));
      shortAgent.destroy();
      longAgent.destroy();
    },
  };
}

class DialingAgent extends Agent {
  readonly #dial: DialEngine;
  readonly #ended: AbortSignal;

  constructor(dial: DialEngine, ended: AbortSignal, options: AgentOptions) {
    super(options);
    this.#dial = dial;
    this.#ended = ended;
  }

  override createConnection(_options: unknown, done?: (error: Error | null, stream: Duplex) => void): undefined {
    const signal = AbortSignal.any([this.#ended, AbortSignal.timeout(dialMs)]);
    this.#dial(signal).then(
      (stream) => done?.(null, stream),
      // node:http reads no stream beside an error.
      (error: unknown) => done?.(error instanceof Error ? error : new Error(String(error)), undefined as never),
    );
  }
}
