/**
 * BuildKit's report of a build as output lines and an outcome, as build-answer.ts has them for the classic builder. Steps may run
 * side by side: the name of one stands above what it printed, and again when another one printed between. Pure.
 */
import { createLineSplitter, createWholeLineSplitter, type LineSplitter } from '../../output-lines.ts';
import { record, text } from '../answers.ts';
import type { BuildReport } from '../build-answer.ts';
import { decodeTrace, type Trace, type TraceStep } from './trace.ts';

/** One message holds the output of a fraction of a second, in base64. */
const objectMaxBytes = 4 * 1024 * 1024;
/** Outputs whose last line may be without its end. Each can hold a long line. */
const openMax = 8;
/** More than any Dockerfile has. */
const stepsMax = 10_000;
const nameMaxLength = 400;

/** What BuildKit does for itself. */
const internal = /^(?:\[internal\]|exporting |resolve image config |writing image |naming to |sending tarball)/;
const beyondBase = /^\[[^\]]*\] (?!FROM )/;

export function createBuildKitReport(onLine: (line: string) => void): BuildReport {
  const names = new Map<string, string>();
  const shown = new Set<string>();
  /** By step and stream. */
  const open = new Map<string, LineSplitter>();
  let heading: string | undefined;
  let error: string | undefined;
  let hasBase = false;

  const showHeading = (id: string): void => {
    const name = names.get(id);
    if (heading === id || name === undefined) return;
    heading = id;
    onLine(name);
  };
  const takeStep = ({ id, name, isCached, hasStarted }: TraceStep): void => {
    if (internal.test(name) || (!names.has(id) && names.size >= stepsMax)) return;
    names.set(id, name.replaceAll(/[\r\n]+/g, ' ').slice(0, nameMaxLength));
    if (!hasStarted || shown.has(id)) return;
    shown.add(id);
    if (beyondBase.test(name)) hasBase = true;
    showHeading(id);
    if (isCached) onLine('CACHED');
  };
  const close = (key: string): void => {
    open.get(key)?.end();
    open.delete(key);
  };
  const printer = (id: string, stream: number): LineSplitter => {
    const key = `${id} ${stream}`;
    const known =
      open.get(key) ??
      createWholeLineSplitter((line) => {
        showHeading(id);
        onLine(line);
      });
    // The one that printed last goes to the end.
    open.delete(key);
    open.set(key, known);
    const [oldest = ''] = open.keys();
    if (open.size > openMax) close(oldest);
    return known;
  };
  // A message lists all steps before all outputs, though what an earlier step printed, or the end of its last line, came before the next
  // step began.
  const take = ({ steps, outputs }: Trace): void => {
    const printed = Map.groupBy(outputs, ({ stepId }) => stepId);
    const ended = new Set(steps.filter(({ hasEnded }) => hasEnded).map(({ id }) => id));
    const settle = (id: string): void => {
      for (const { stream, bytes } of printed.get(id) ?? []) {
        if (names.has(id)) printer(id, stream).push(Buffer.from(bytes));
      }
      printed.delete(id);
      if (ended.has(id)) for (const stream of [1, 2]) close(`${id} ${stream}`);
    };
    for (const id of [...printed.keys(), ...ended]) if (shown.has(id)) settle(id);
    for (const step of steps) {
      takeStep(step);
      settle(step.id);
    }
    for (const id of [...printed.keys()]) settle(id);
  };
  const objects = createLineSplitter((line) => {
    const entry = record(parsed(line));
    if (entry['id'] === 'moby.buildkit.trace') take(traceOf(text(entry['aux'])));
    const failure = text(record(entry['errorDetail'])['message']) || text(entry['error']);
    if (failure !== '') error = failure;
  }, objectMaxBytes);
  return {
    push: (chunk) => objects.push(chunk),
    end() {
      objects.end();
      for (const splitter of open.values()) splitter.end();
    },
    error: () => error,
    hasBase: () => hasBase,
    // What a build that failed made is in the cache, which is pruned by its age and size.
    made: () => [],
  };
}

const noTrace: Trace = { steps: [], outputs: [] };

/** Nothing for a message that was cut: the outcome does not depend on it. */
function traceOf(base64: string): Trace {
  try {
    return decodeTrace(base64);
  } catch {
    return noTrace;
  }
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
