/** A GET to the engine over a connection of its own, past node:http (answer-parser.ts says why). */
import { connect, type Socket } from 'node:net';
import { Readable } from 'node:stream';
import { onAbort } from '#common/waiting/abort.ts';
import { type AnswerParser, createAnswerParser } from './answer-parser.ts';
import type { EngineSocket } from './docker-host.ts';

// Of the body of a refusal: the engine's are one sentence.
const refusalMaxBytes = 64 * 1024;

/**
 * The body as it comes, for status 200. Rejects with an error that has `statusCode` and the engine's text for any other, and with the
 * system's when there is no engine. `target` is the path with its query.
 */
export async function openRaw(address: EngineSocket, target: string, signal: AbortSignal): Promise<Readable> {
  signal.throwIfAborted();
  const socket = 'socketPath' in address ? connect(address.socketPath) : connect(address);
  const parser = createAnswerParser();
  const body = new RawBody(socket, parser);
  const letGo = onAbort(signal, () => body.destroy(signal.reason instanceof Error ? signal.reason : undefined));
  body.once('close', letGo);
  socket.write(`GET ${target} HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n`);
  await body.head;
  if (parser.status === 200) return body;
  throw await refusalOf(body, parser.status);
}

class RawBody extends Readable {
  /** Resolves when the head is there. */
  readonly head: Promise<void>;
  readonly #socket: Socket;
  readonly #parser: AnswerParser;
  readonly #hasHead = Promise.withResolvers<void>();

  constructor(socket: Socket, parser: AnswerParser) {
    // As much as a batch of the log pump, so that the engine continues while one is stored.
    super({ highWaterMark: 128 * 1024 });
    this.#socket = socket;
    this.#parser = parser;
    this.head = this.#hasHead.promise;
    // Until its reader listens, an abort would end the process; the reader gets the same error.
    this.on('error', () => {});
    socket.on('data', (piece) => this.#take(piece));
    socket.on('end', () => this.#endOfConnection());
    socket.on('error', (error) => this.destroy(error));
    socket.on('close', () => this.destroy());
  }

  override _read(): void {
    this.#socket.resume();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#socket.destroy();
    this.#hasHead.reject(error ?? new Error('the connection to the engine was closed'));
    done(error);
  }

  #take(piece: Buffer): void {
    try {
      const part = this.#parser.push(piece);
      if (this.#parser.status !== undefined) this.#hasHead.resolve();
      if (part.length > 0 && !this.push(part)) this.#socket.pause();
      if (this.#parser.isWhole) this.push(null);
    } catch (error) {
      this.destroy(error as Error); // the parser throws nothing else
    }
  }

  #endOfConnection(): void {
    if (this.#parser.isWhole) return;
    try {
      this.#parser.end();
      this.push(null);
    } catch (error) {
      this.destroy(error as Error); // as above
    }
  }
}

/** In the form that node:http's errors have here (engine-errors.ts). */
async function refusalOf(body: Readable, statusCode: number | undefined): Promise<Error> {
  let text = '';
  for await (const piece of body.setEncoding('utf8')) {
    text += piece;
    if (text.length > refusalMaxBytes) break;
  }
  return Object.assign(new Error(text), { statusCode, json: parsed(text) });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // not all that answers on such a socket is an engine
  }
}
