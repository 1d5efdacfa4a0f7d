/** What containers print: reading it from a cursor on (output-reader.ts decides what is new), and a bell for new output. */

import type { Readable } from 'node:stream';
import { sleep } from '#common/clock.ts';
import { onAbort } from '#common/waiting/abort.ts';
import { pause } from '#common/waiting/bell.ts';
import { type ContainerRuntime, EngineUnavailableError, type OutputBatch } from '../container-runtime.ts';
import { noSuchContainer } from './container-refusals.ts';
import { type ContainerDeps, inspectContainer, isOwn } from './containers.ts';
import type { Query } from './engine-client.ts';
import { hasStatus, sortedError } from './engine-errors.ts';
import { parseOutputCursor, startCursor } from './output-cursor.ts';
import { createFrameParser, type OutputFrame, sinceParameter } from './output-frames.ts';
import { createFrameReader, createTailReader, type LogReader, nextTail, readSinceNs } from './output-reader.ts';

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
  if (!(await isOwn(deps, id, signal))) throw noSuchContainer();
  const maxBytes = () => bound.bytes;
  const sinceNs = readSinceNs(cursor, BigInt(deps.clock.wallMs()) * 1_000_000n);
  const wholeLog = async function* (answer: Frames) {
    const reader = createFrameReader(cursor, maxBytes);
    yield* fullBatches(reader, answer);
    if (await hasEnded(deps, id, reader, signal)) reader.end();
    return reader.finish();
  };
  if (sinceNs === undefined || cursor.ordinal === 0) {
    const since = sinceNs === undefined ? undefined : sinceParameter(sinceNs);
    return yield* wholeLog(readFrames(deps, id, { since }, signal));
  }
  const newest = await newestFrames(deps, id, signal);
  if (newest.length < newestMax) return yield* wholeLog([newest]);
  for (let tail = newestMax; tail <= tailMax; ) {
    const reader = createTailReader(cursor, maxBytes);
    yield* fullBatches(reader, tail === newestMax ? [newest] : readFrames(deps, id, { tail }, signal));
    if (await hasEnded(deps, id, reader, signal)) reader.end();
    if (reader.isSearching()) {
      tail = nextTail(tail, reader.oldestNs, cursor.timeNs, newest.at(-1)?.timeNs ?? 0n);
      continue;
    }
    const last = reader.finish();
    // It had to end right behind a batch: "more" without a line would pass for the end of the output.
    if (last.more && last.lines.length === 0) return yield* lookThrough(deps, id, last.cursor, bound, signal);
    return last;
  }
  return yield* wholeLog(readFrames(deps, id, { since: sinceParameter(sinceNs) }, signal));
}

type Frames = AsyncIterable<readonly OutputFrame[]> | Iterable<readonly OutputFrame[]>;

/**
 * The last frames are looked through for the cursor's line, more of them each time, before the log since its time. Asked for the
 * latter, an engine decodes its files from their beginning: more than a second when they are full, and for each line of a bot that prints little.
 */
const tailMax = 100_000;

/** So many of the last frames are looked at first: most logs that are looked at have no more, or no more that is new. */
const newestMax = 20;

/** The newest frames of a log, oldest first; fewer than `newestMax` are the whole of it. */
async function newestFrames(deps: ContainerDeps, id: string, signal: AbortSignal): Promise<readonly OutputFrame[]> {
  const found: OutputFrame[] = [];
  for await (const frames of readFrames(deps, id, { tail: newestMax }, signal)) found.push(...frames);
  return found;
}

/** Stops when the reader does not want to see the rest. */
async function* fullBatches(reader: LogReader, answer: Frames): AsyncGenerator<OutputBatch, void> {
  for await (const frames of answer) {
    for (const frame of frames) {
      for (let full = reader.push(frame); full; full = reader.isFull()) yield reader.takeFull();
    }
    if (reader.isInVain()) return;
  }
}

/** Looked at after the log: had it ended before, nothing could follow; had it not, it is too early to tell. */
const hasEnded = async (deps: ContainerDeps, id: string, reader: LogReader, signal: AbortSignal): Promise<boolean> =>
  reader.hasUnfinished() && (await inspectContainer(deps, id, signal))?.status === 'exited';

/** In parts as they come, none of them empty. */
async function* readFrames(
  { engine }: ContainerDeps,
  id: string,
  query: Query,
  signal: AbortSignal,
): AsyncGenerator<readonly OutputFrame[]> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(readMs)]);
  const path = `/containers/${id}/logs`;
  let answer: Readable | undefined;
  try {
    answer = await engine.stream(
      { method: 'GET', path, query: { stdout: true, stderr: true, timestamps: true, ...query }, raw: true },
      limit,
    );
    const parse = createFrameParser();
    for await (const piece of answer) {
      const frames = parse(piece);
      if (frames.length > 0) yield frames;
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

// So much at once means that a bot floods.
const floodBytes = 16 * 1024;
const floodPauseMs = 250;

async function followUntilEnd(
  { engine, clock }: ContainerDeps,
  id: string,
  ring: () => void,
  signal: AbortSignal,
): Promise<void> {
  const query = { stdout: true, stderr: true, follow: true, tail: '0' };
  while (!signal.aborted) {
    let isFlood = false;
    let answer: Readable | undefined;
    try {
      answer = await engine.stream({ method: 'GET', path: `/containers/${id}/logs`, query, raw: true }, signal);
      for await (const piece of answer) {
        ring();
        isFlood = Buffer.byteLength(piece) >= floodBytes;
        if (isFlood) break;
      }
    } catch (error) {
      // Gone, or just being removed: the look that follows will show which.
      if (!hasStatus(error, 404, 409)) throw sortedError(error, 'GET logs', signal);
    } finally {
      answer?.destroy();
    }
    if (!isFlood) return;
    // Its reader needs no bell. Read on, the stream would ring long after the flood; a new one begins at the end of the log.
    await pause(clock, floodPauseMs, signal);
    ring();
  }
}
