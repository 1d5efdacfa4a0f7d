/** What containers print: reading it from a cursor on (log-reader.ts decides what is new), and a bell for new output. */
import type { Readable } from 'node:stream';
import { sleep } from '#common/clock.ts';
import { EngineUnavailableError, type OutputBatch } from '../container-runtime.ts';
import { type ContainerDeps, inspectContainer, noSuchContainer } from './containers.ts';
import type { Query } from './engine-client.ts';
import { hasStatus, sortedError } from './engine-errors.ts';
import { parseLogCursor, startCursor } from './log-cursor.ts';
import { createFrameParser, sinceParameter } from './log-frames.ts';
import { createLogReader, type LogReader, readSinceNs } from './log-reader.ts';

const readMs = 30_000;

/** As ContainerRuntime.readOutput. */
export async function readContainerOutput(
  deps: ContainerDeps,
  id: string,
  cursorText: string | undefined,
  maxBytes: number,
  signal: AbortSignal,
): Promise<OutputBatch> {
  const cursor = cursorText === undefined ? startCursor : parseLogCursor(cursorText);
  if (!(await inspectContainer(deps, id, signal))) throw noSuchContainer();
  const reader = createLogReader(cursor, maxBytes);
  const sinceNs = readSinceNs(cursor, BigInt(deps.clock.wallMs()) * 1_000_000n);
  await readLog(deps, id, { since: sinceNs === undefined ? undefined : sinceParameter(sinceNs) }, reader, signal);
  // Looked at after the log: had it ended before, nothing could follow; had it not, it is too early to tell.
  const ended = reader.hasUnfinished() && (await inspectContainer(deps, id, signal))?.status === 'exited';
  return reader.finish(ended);
}

async function readLog(
  { engine }: ContainerDeps,
  id: string,
  query: Query,
  reader: LogReader,
  signal: AbortSignal,
): Promise<void> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(readMs)]);
  const path = `/containers/${id}/logs`;
  let answer: Readable | undefined;
  try {
    answer = await engine.stream(
      { method: 'GET', path, query: { stdout: true, stderr: true, timestamps: true, ...query } },
      limit,
    );
    const parse = createFrameParser();
    for await (const piece of answer) {
      for (const frame of parse(piece)) if (reader.push(frame)) return;
    }
  } catch (error) {
    if (hasStatus(error, 404, 409)) throw noSuchContainer();
    throw sortedError(error, 'GET logs', signal);
  } finally {
    answer?.destroy();
  }
}

const bellPauseMs = { first: 250, most: 5000 } as const;

/**
 * As ContainerRuntime.watchOutput. The engine's follow stream is only the bell here: it loses and doubles lines. It also
 * ends by itself at times, so it is opened again as long as the container runs.
 */
export async function watchContainerOutput(
  deps: ContainerDeps,
  id: string,
  ring: () => void,
  signal: AbortSignal,
): Promise<void> {
  let pauseMs: number = bellPauseMs.first;
  while (!signal.aborted) {
    try {
      await followUntilEnd(
        deps,
        id,
        () => {
          pauseMs = bellPauseMs.first;
          ring();
        },
        signal,
      );
      const facts = await inspectContainer(deps, id, signal);
      if (!facts || facts.status === 'exited') return ring();
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof EngineUnavailableError)) throw error;
    }
    ring();
    try {
      await sleep(deps.clock, pauseMs, signal);
    } catch {
      // sleep rejects for one reason: the abort that ends this watch.
      return;
    }
    pauseMs = Math.min(pauseMs * 2, bellPauseMs.most);
  }
}

async function followUntilEnd(
  { engine }: ContainerDeps,
  id: string,
  ring: () => void,
  signal: AbortSignal,
): Promise<void> {
  const query = { stdout: true, stderr: true, follow: true, tail: '0' };
  let answer: Readable | undefined;
  try {
    answer = await engine.stream({ method: 'GET', path: `/containers/${id}/logs`, query }, signal);
    for await (const _piece of answer) ring();
  } catch (error) {
    // Gone, or just being removed: the look that follows tells.
    if (!hasStatus(error, 404, 409)) throw sortedError(error, 'GET logs', signal);
  } finally {
    answer?.destroy();
  }
}
