/** Runs a program in a container of its own to its end, and gives its exit code and output. Nothing of it stays. */
import { buffer } from 'node:stream/consumers';
import { EngineUnavailableError } from '../container-runtime.ts';
import { list, number, record, text } from './answers.ts';
import type { EngineClient } from './engine-client.ts';
import { EngineRefusal } from './engine-errors.ts';

export interface ShortRun {
  /** As a container is created; its labels say whose it is. */
  readonly body: Readonly<Record<string, unknown>>;
  readonly timeoutMs: number;
  /** A file of the container to be read when it has ended, such as /etc/resolv.conf. */
  readonly file?: string;
}

export interface ShortRunEnd {
  readonly code: number;
  /** Both streams, in the order in which the engine kept them. */
  readonly output: string;
  /** The file as a tar of it alone; undefined when none was asked for. */
  readonly file: Buffer | undefined;
}

const removalMs = 30_000;

/** Throws EngineRefusal when the engine makes or starts no such container, EngineUnavailableError when the time is over. */
export async function runShortly(engine: EngineClient, run: ShortRun, signal: AbortSignal): Promise<ShortRunEnd> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(run.timeoutMs)]);
  try {
    return await runWithin(engine, run, limit);
  } catch (error) {
    if (signal.aborted || !limit.aborted) throw error;
    throw new EngineUnavailableError('the container engine did not run a short program in time', { cause: error });
  }
}

async function runWithin(engine: EngineClient, run: ShortRun, limit: AbortSignal): Promise<ShortRunEnd> {
  const made = await engine.call({ method: 'POST', path: '/containers/create', body: run.body }, limit);
  const id = text(record(made)['Id']);
  try {
    await engine.call({ method: 'POST', path: `/containers/${id}/start` }, limit);
    const path = `/containers/${id}/wait`;
    const ended = await engine.call({ method: 'POST', path, slow: true, timeoutMs: run.timeoutMs }, limit);
    const query = { stdout: true, stderr: true };
    const logs = await buffer(await engine.stream({ method: 'GET', path: `/containers/${id}/logs`, query }, limit));
    const file = run.file === undefined ? undefined : await readFile(engine, id, run.file, limit);
    return { code: number(record(ended)['StatusCode']), output: outputOfFrames(logs), file };
  } finally {
    // Bounded by itself: the caller's patience may be over.
    await remove(engine, id, AbortSignal.timeout(removalMs)).catch(() => {
      // An engine that is away: whoever finds it by its label removes it.
    });
  }
}

const remove = (engine: EngineClient, id: string, signal: AbortSignal): Promise<unknown> =>
  engine.call({ method: 'DELETE', path: `/containers/${id}`, query: { force: true, v: true }, slow: true }, signal);

/** Removes the containers that a killed program, or a run that was given up, has left. One that cannot be removed stays: it is in nobody's way. */
export async function removeLeftovers(
  engine: EngineClient,
  filters: Readonly<Record<string, readonly string[]>>,
  signal: AbortSignal,
): Promise<void> {
  const query = { all: true, filters };
  for (const found of list(await engine.call({ method: 'GET', path: '/containers/json', query }, signal))) {
    await remove(engine, text(record(found)['Id']), signal).catch((error: unknown) => {
      if (!(error instanceof EngineRefusal)) throw error;
    });
  }
}

const readFile = async (engine: EngineClient, id: string, path: string, signal: AbortSignal): Promise<Buffer> =>
  buffer(await engine.stream({ method: 'GET', path: `/containers/${id}/archive`, query: { path } }, signal));

const headerBytes = 8;

/** Without the headers that the engine puts before each piece: stream, three zeros, length as big-endian. */
export function outputOfFrames(logs: Buffer): string {
  const pieces: Buffer[] = [];
  for (let at = 0; at + headerBytes <= logs.length; ) {
    const end = at + headerBytes + logs.readUInt32BE(at + 4);
    pieces.push(logs.subarray(at + headerBytes, end));
    at = end;
  }
  return Buffer.concat(pieces).toString();
}
