/**
 * Standard input and output of a program in a container as one stream: how a builder's engine is reached, from wherever the
 * bots' engine is reached, without a port that anything else could connect to.
 * https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Exec: the input is raw, the output comes in frames.
 */
import { type IncomingMessage, request } from 'node:http';
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { onAbort } from '#common/waiting/abort.ts';
import { record, text } from '../answers.ts';
import type { EngineSocket } from '../docker-host.ts';
import type { EngineClient } from '../engine-client.ts';

export interface ExecTarget {
  readonly engine: EngineClient;
  /** Where that engine is. */
  readonly address: EngineSocket;
  readonly containerId: string;
  readonly command: readonly string[];
}

/**
 * Starts the program. Rejects as EngineClient does, or with the system's error; the stream fails with what the program says on
 * its standard error when it ends without having said anything else.
 */
export async function openExec(target: ExecTarget, signal: AbortSignal): Promise<Duplex> {
  const { engine, address, containerId, command } = target;
  const body = { AttachStdin: true, AttachStdout: true, AttachStderr: true, Tty: false, Cmd: command };
  const made = await engine.call({ method: 'POST', path: `/containers/${containerId}/exec`, body }, signal);
  const path = `/v1.${await engine.api(signal)}/exec/${text(record(made)['Id'])}/start`;
  const { socket, head } = await hijacked(address, path, signal);
  return new ExecStream(socket, head);
}

interface Hijacked {
  readonly socket: Socket;
  /** What came with the answer already. */
  readonly head: Buffer;
}

async function hijacked(address: EngineSocket, path: string, signal: AbortSignal): Promise<Hijacked> {
  signal.throwIfAborted();
  const body = JSON.stringify({ Detach: false, Tty: false });
  const headers = {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    connection: 'Upgrade',
    upgrade: 'tcp',
  };
  const sent = request({ ...address, method: 'POST', path, headers, agent: false });
  const letGo = onAbort(signal, () => sent.destroy(asError(signal.reason)));
  try {
    sent.end(body);
    return await new Promise<Hijacked>((resolve, reject) => {
      sent.once('upgrade', (_answer, socket, head) => resolve({ socket: socket as Socket, head })); // of node:net, as no other is asked for
      sent.once('response', (answer: IncomingMessage) => {
        answer.resume();
        reject(Object.assign(new Error('the engine does not run the program'), { statusCode: answer.statusCode }));
      });
      sent.once('error', reject);
    });
  } finally {
    letGo();
  }
}

const asError = (reason: unknown): Error => (reason instanceof Error ? reason : new Error(String(reason)));

const headerBytes = 8;
const standardOutput = 1;
const complaintMaxLength = 1000;

/** node:http takes it for a socket: the methods that it calls on one are here, and do nothing where nothing is to be done. */
class ExecStream extends Duplex {
  readonly #socket: Socket;
  /** Bytes of a header that is not whole yet. */
  #header = Buffer.alloc(0);
  /** How much of the frame is to come, and whether it is shown. */
  #left = 0;
  #isOutput = false;
  #complaint = '';
  #hasOutput = false;
  /** Silence is no reason to give up: a build may say nothing for long. */
  readonly ['setTimeout'] = (): this => this;

  constructor(socket: Socket, head: Buffer) {
    super({ allowHalfOpen: true });
    this.#socket = socket;
    socket.on('data', (piece: Buffer) => this.#take(piece));
    socket.on('end', () => this.#end());
    socket.on('error', (error) => this.destroy(error));
    socket.on('close', () => this.#end());
    if (head.length > 0) this.#take(head);
  }

  override _read(): void {
    this.#socket.resume();
  }

  override _write(piece: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#socket.write(piece, done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#socket.end(done);
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#socket.destroy();
    done(error);
  }

  setKeepAlive(): this {
    return this;
  }

  setNoDelay(): this {
    return this;
  }

  ref(): this {
    this.#socket.ref();
    return this;
  }

  unref(): this {
    this.#socket.unref();
    return this;
  }

  #take(piece: Buffer): void {
    let rest = piece;
    while (rest.length > 0) {
      if (this.#left === 0) {
        const header = Buffer.concat([this.#header, rest.subarray(0, headerBytes - this.#header.length)]);
        rest = rest.subarray(header.length - this.#header.length);
        this.#header = header;
        if (header.length < headerBytes) return;
        this.#header = Buffer.alloc(0);
        this.#isOutput = header[0] === standardOutput;
        this.#left = header.readUInt32BE(4);
        continue;
      }
      const part = rest.subarray(0, this.#left);
      rest = rest.subarray(part.length);
      this.#left -= part.length;
      this.#show(part);
    }
  }

  #show(part: Buffer): void {
    if (!this.#isOutput) {
      this.#complaint = (this.#complaint + part.toString()).slice(0, complaintMaxLength);
      return;
    }
    this.#hasOutput = true;
    if (!this.push(part)) this.#socket.pause();
  }

  #end(): void {
    if (this.readableEnded || this.destroyed) return;
    if (!this.#hasOutput && this.#complaint !== '') this.destroy(new Error(this.#complaint.trim()));
    else this.push(null);
  }
}
