/**
 * The engine's events of our containers. Hints only: the engine forgets them when it restarts, and a stream can fall silent
 * without ending, which is why the engine is asked for a sign of life beside it.
 */

import { inBackground } from '#common/background.ts';
import { type Clock, sleep } from '#common/clock.ts';
import { onAbort } from '#common/waiting/abort.ts';
import type { RuntimeEvent } from '../container-runtime.ts';
import { labelNames } from '../labels.ts';
import { createLineSplitter } from '../output-lines.ts';
import { type Owner, ownIdentity } from '../strays.ts';
import { record, text, texts } from './answers.ts';
import type { EngineClient } from './engine-client.ts';
import { sortedError } from './engine-errors.ts';

export interface EventDeps {
  readonly engine: EngineClient;
  readonly owner: Owner;
  readonly clock: Clock;
}

const signOfLife = { everyMs: 10_000, timeoutMs: 5000 } as const;

/** Podman also reports "die", but its filter takes its own word, "died". */
const kinds: Readonly<Record<string, RuntimeEvent['kind']>> = {
  start: 'started',
  die: 'ended',
  died: 'ended',
  oom: 'oom',
};

/** The event of one line of the engine's stream; undefined for what is not ours or not of interest. Pure. */
export function parseEvent(line: string, owner: Owner): RuntimeEvent | undefined {
  let event: unknown;
  try {
    event = JSON.parse(line);
  } catch {
    // The stream was cut within the line; the look after a reconnect covers what it said.
    return undefined;
  }
  const { Action: action, Actor: actor } = record(event);
  const kind = Object.hasOwn(kinds, text(action)) ? kinds[text(action)] : undefined;
  // All labels of the container ride in its events, beside its name.
  const attributes = texts(record(actor)['Attributes']);
  const containerId = text(record(actor)['ID']);
  if (kind === undefined || containerId === '') return undefined;
  if (!ownIdentity(owner, { id: containerId, name: attributes['name'] ?? '', labels: attributes })) return undefined;
  return { containerId, kind };
}

/** As ContainerRuntime.watchEvents. Throws EngineUnavailableError when the stream cannot be opened. */
export async function watchEngineEvents(
  deps: EventDeps,
  onEvent: (event: RuntimeEvent) => void,
  signal: AbortSignal,
): Promise<void> {
  const watch = new AbortController();
  const stop = () => watch.abort();
  const letGo = onAbort(signal, stop);
  try {
    const label = [`${labelNames.marker}=true`];
    const query = { filters: { type: ['container'], event: Object.keys(kinds), label } };
    const answer = await deps.engine.stream({ method: 'GET', path: '/events', query }, watch.signal);
    inBackground(stopWhenSilent(deps, watch), () => watch.abort());
    const lines = createLineSplitter((line) => {
      const event = line === '' ? undefined : parseEvent(line, deps.owner);
      if (event) onEvent(event);
    }, lineMaxBytes);
    try {
      for await (const piece of answer) lines.push(piece);
    } finally {
      answer.destroy();
    }
  } catch (error) {
    // However an open stream breaks, it has ended; the caller looks at the containers and opens the next one.
    if (!watch.signal.aborted && !isStreamEnd(error)) throw sortedError(error, 'GET /events', signal);
  } finally {
    letGo();
    stop();
  }
}

// An event carries all labels of its container, and others may put long ones on theirs.
const lineMaxBytes = 1024 * 1024;

const isStreamEnd = (error: unknown): boolean =>
  error instanceof Error &&
  'code' in error &&
  ['ECONNRESET', 'ERR_STREAM_PREMATURE_CLOSE'].includes(String(error.code));

/** Aborts the watch when the engine does not answer any more. Ends with the watch. */
async function stopWhenSilent({ engine, clock }: EventDeps, watch: AbortController): Promise<void> {
  try {
    for (;;) {
      await sleep(clock, signOfLife.everyMs, watch.signal);
      await engine.call({ method: 'GET', path: '/_ping', timeoutMs: signOfLife.timeoutMs }, watch.signal);
    }
  } catch {
    // Either the watch is over, or the engine is silent: both end it.
    watch.abort();
  }
}
