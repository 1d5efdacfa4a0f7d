/**
 * One connection to NATS; the only file that knows the package. It does not reconnect on its own: the package would keep what
 * it could not send and drop it at the next dial. A link that fails in any way is closed, and the publisher opens another.
 */

import { connect, type ErrorCode, headers, type JetStreamClient, type NatsConnection, NatsError } from 'nats';
import { later } from '#common/background.ts';
import type { NatsTarget } from './nats-url.ts';
import { covers } from './subjects.ts';

export interface NatsMessage {
  readonly subject: string;
  readonly data: Uint8Array;
  /** JetStream takes one message of an id, within a stream's window for duplicates. */
  readonly messageId: string;
  readonly contentType: string;
  readonly seq: number;
}

export interface NatsLink {
  /** HOST:PORT of the server. */
  readonly server: string;
  /** Resolves when all have reached the server, and its streams where one covers a subject. Rejects else. */
  publish(messages: readonly NatsMessage[]): Promise<void>;
  /** Asks which streams there are; none where JetStream is off or not allowed. */
  findStreams(): Promise<void>;
  /** Resolves, never rejects, when the connection has ended. */
  readonly closed: Promise<void>;
  close(): void;
}

const dialTimeoutMs = 3_000;
const answerTimeoutMs = 5_000;
// A frozen server keeps its connections; only an unanswered ping reveals it.
const pingIntervalMs = 10_000;
const streamsMax = 1_000;

export async function openNatsLink(target: NatsTarget): Promise<NatsLink> {
  const connection = await connect({
    servers: [...target.servers],
    ...target.login?.reveal(),
    ...(target.tls ? { tls: {} } : {}),
    name: 'bot-runner-orchestrator',
    reconnect: false,
    timeout: dialTimeoutMs,
    pingInterval: pingIntervalMs,
    maxPingOut: 2,
    noEcho: true,
  });
  return new Link(connection);
}

class Link implements NatsLink {
  readonly server: string;
  readonly closed: Promise<void>;
  readonly #connection: NatsConnection;
  readonly #jetStream: JetStreamClient;
  #patterns: readonly string[] = [];

  constructor(connection: NatsConnection) {
    this.#connection = connection;
    this.#jetStream = connection.jetstream({ timeout: answerTimeoutMs });
    this.server = connection.getServer();
    this.closed = connection.closed().then(
      () => undefined,
      () => undefined, // how it ended is reported by the publish that failed
    );
  }

  async findStreams(): Promise<void> {
    const patterns: string[] = [];
    try {
      const manager = await this.#connection.jetstreamManager({ checkAPI: false, timeout: answerTimeoutMs });
      let count = 0;
      for await (const { config } of manager.streams.list()) {
        patterns.push(...(config.subjects ?? []));
        if (++count >= streamsMax) break;
      }
    } catch {
      // No JetStream, or none for this login: plain messages are what is left. A dead connection shows in the publish.
    }
    this.#patterns = patterns;
  }

  async publish(messages: readonly NatsMessage[]): Promise<void> {
    const acks: Promise<void>[] = [];
    for (const message of messages) {
      const fields = headers();
      fields.set('Nats-Msg-Id', message.messageId);
      fields.set('content-type', message.contentType);
      fields.set('bot-runner-seq', String(message.seq));
      if (this.#patterns.some((pattern) => covers(pattern, message.subject))) {
        acks.push(this.#store(message, fields));
      } else this.#connection.publish(message.subject, message.data, { headers: fields });
    }
    await Promise.all([...acks, within(this.#connection.flush(), answerTimeoutMs)]);
  }

  async #store({ subject, data }: NatsMessage, fields: ReturnType<typeof headers>): Promise<void> {
    try {
      await this.#jetStream.publish(subject, data, { headers: fields });
    } catch (error) {
      // A stream that refuses (it is full, was deleted) has the message no more and no less after a repeat, and plain
      // subscribers have got it. No answer at all is another matter: the caller repeats it.
      if (error instanceof NatsError && (error.isJetStreamError() || error.code === noResponders)) return;
      throw error;
    }
  }

  close(): void {
    // Not awaited: with a frozen server it would not end, and there is nothing left to be sent.
    this.#connection.close().catch(() => undefined);
  }
}

// ErrorCode is a const enum of the package: its value, because type stripping cannot read it.
const noResponders = '503' satisfies `${ErrorCode.NoResponders}`;

function within<T>(promise: Promise<T>, ms: number): Promise<T> {
  const late = Promise.withResolvers<never>();
  const cancel = later(ms, () => late.reject(new Error(`no answer within ${ms} ms`)));
  // The loser of the race may still reject.
  promise.catch(() => undefined);
  return Promise.race([promise, late.promise]).finally(cancel);
}
