/** What containers print: reading it from a cursor on (output-reader.ts decides what is new), and a bell for new output. */

import type { Readable } from 'node:stream';
import { sleep } from '#common/clock.ts';
import { onAbort } from '#common/waiting/abort.ts';
import { type ContainerRuntime, EngineUnavailableError, type OutputBatch } from '../container-runtime.ts';
import { noSuchContainer } from './container-refusals.ts';
import { type ContainerDeps, inspectContainer } from './containers.ts';
import type { Query } from './engine-client.ts';
import { hasStatus, sortedError } from './engine-errors.ts';
import { parseOutputCursor, startCursor } from './output-cursor.ts';
import { createFrameParser, type OutputFrame, sinceParameter } from './output-frames.ts';
import { createFrameReader, readSinceNs } from './output-reader.ts';

const readMs = 30_000;
/** How long a look that can continue is kept for a caller that comes back. */
const keptMs = 2000;

interface OpenLook {
  /** Where its next batch begins. */
  readonly cursor: string;
  readonly batches: AsyncGenerator<OutputBatch, OutputBatch>;
  /** How large a batch may be; the caller that continues may want another size. */
  readonly bound: { bytes: number };
  readonly close: () => void;
}

/**
 * ContainerRuntime.readOutput. An engine searches its files from their beginning for each request, so a look that was cut at
 * its size limit stays open for a moment: a caller that returns with its cursor gets the rest from the same answer.
 */
export function createOutputReader(deps: ContainerDeps): ContainerRuntime['readOutput'] {
  const kept = new Map<string, OpenLook & { readonly forget: () => void }>();
  return async (id, cursorText, maxBytes, signal) => {
    const known = kept.get(id);
    known?.forget();
    if (known && known.cursor !== cursorText) known.close();
    const goesOn = known !== undefined && known.cursor === cursorText;
    const look = goesOn ? known : beginLook(deps, id, cursorText, maxBytes);
    look.bound.bytes = maxBytes;
    const letGo = onAbort(signal, () => look.close());
    try {
      const next = await look.batches.next();
      if (next.done) return next.value;
      const cancel = deps.clock.after(keptMs, () => {
        kept.delete(id);
        look.close();
      });
      const forget = () => {
        kept.delete(id);
        cancel();
      };
      kept.set(id, { ...look, cursor: next.value.cursor, forget });
      return next.value;
    } catch (error) {
      signal.throwIfAborted();
      throw error;
    } finally {
      letGo();
    }
  };
}

function beginLook(deps: ContainerDeps, id: string, cursorText: string | undefined, maxBytes: number): OpenLook {
  const ending = new AbortController();
  const bound = { bytes: maxBytes };
  const batches = lookThrough(deps, id, cursorText, bound, ending.signal);
  return { cursor: cursorText ?? '', batches, bound, close: () => ending.abort(new Error('this look is over')) };
}

/** Yields what fills a batch; returns the last one. */
async function* lookThrough(
  deps: ContainerDeps,
  id: string,
  cursorText: string | undefined,
  bound: { readonly bytes: number },
  signal: AbortSignal,
): AsyncGenerator<OutputBatch, OutputBatch> {
  const cursor = cursorText === undefined ? startCursor : parseOutputCursor(cursorText);
  if (!(await inspectContainer(deps, id, signal))) throw noSuchContainer();
  const reader = createFrameReader(cursor, () => bound.bytes);
  const sinceNs = readSinceNs(cursor, BigInt(deps.clock.wallMs()) * 1_000_000n);
  const query = { since: sinceNs === undefined ? undefined : sinceParameter(sinceNs) };
  for await (const frame of readFrames(deps, id, query, signal)) {
    for (let full = reader.push(frame); full; full = reader.isFull()) yield reader.takeFull();
  }
  // Looked at after the log: had it ended before, nothing could follow; had it not, it is too early to tell.
  const ended = reader.hasUnfinished() && (await inspectContainer(deps, id, signal))?.status === 'exited';
  return reader.finish(ended);
}

async function* readFrames(
  { engine }: ContainerDeps,
  id: string,
  query: Query,
  signal: AbortSignal,
): AsyncGenerator<OutputFrame> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(readMs)]);
  const path = `/containers/${id}/logs`;
  let answer: Readable | undefined;
  try {
    answer = await engine.stream(
      { method: 'GET', path, query: { stdout: true, stderr: true, timestamps: true, ...query } },
      limit,
    );
    const parse = createFrameParser();
    for await (const piece of answer) yield* parse(piece);
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
 * ends on its own at times, so it is opened again as long as the container runs.
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

const floodBytes = 16 * 1024;
const floodPauseMs = 250;

async function followUntilEnd(
  { engine, clock }: ContainerDeps,
  id: string,
  ring: () => void,
  signal: AbortSignal,
): Promise<void> {
  const query = { stdout: true, stderr: true, follow: true, tail: '0' };
  let answer: Readable | undefined;
  try {
    answer = await engine.stream({ method: 'GET', path: `/containers/${id}/logs`, query }, signal);
    for await (const piece of answer) {
      ring();
      // A bot that floods keeps its reader busy without a bell; the engine need not send all of it for nothing.
      if (Buffer.byteLength(piece) >= floodBytes) await sleep(clock, floodPauseMs, signal);
    }
  } catch (error) {
    // Gone, or just being removed: the look that follows will show which.
    if (!hasStatus(error, 404, 409)) throw sortedError(error, 'GET logs', signal);
  } finally {
    answer?.destroy();
  }
}
