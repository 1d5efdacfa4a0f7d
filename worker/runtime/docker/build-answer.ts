/**
 * The engine's report of a build, JSON objects on lines that may come in any pieces, as output lines and an outcome. The
 * HTTP status of a build is 200 also when it fails: only an `error` in the report shows it. Pure.
 */
import { createLineSplitter, createWholeLineSplitter } from '../output-lines.ts';
import { record, text } from './answers.ts';

export interface BuildReport {
  push(chunk: Buffer): void;
  /** Call at the end of the stream. */
  end(): void;
  /** The engine's words for what went wrong. */
  error(): string | undefined;
  /** Whether the base image was found: the first step after FROM was reached. */
  hasBase(): boolean;
  /** Short ids of the layers that this build made, oldest first. A step can print such a line too: look before you act on it. */
  made(): readonly string[];
}

const madeMax = 1000;

// What the classic builder says about its own containers and layers is noise to a user, and the build arguments that a
// Dockerfile does not use are the worker's settings. "Using cache" stays: it explains why a step prints nothing.
// "--> ID" and "COMMIT NAME" are Podman's.
const noise =
  /^(?: ---> (?:Running in )?[0-9a-f]{12}|--> [0-9a-f]{11,12}|COMMIT \S*bot_image_\S+|Removing intermediate container [0-9a-f]{12}|Successfully built [0-9a-f]{12}|Successfully tagged \S*bot_image_\S+|\[Warning\] One or more build-args \[[A-Z_ ]+\] were not consumed)?$/;

// One object holds up to 32 KiB of output, each byte of it written as up to six.
const objectMaxBytes = 1024 * 1024;

export function createBuildReport(onLine: (line: string) => void): BuildReport {
  let error: string | undefined;
  let hasBase = false;
  let isOwnLayer = false;
  const made: string[] = [];
  const take = (line: string) => {
    if (/^(?:Step \d+\/\d+ |STEP \d+\/\d+): /.test(line)) isOwnLayer = !/: FROM /i.test(line);
    if (/^ ---> Using cache$|^--> Using cache /.test(line)) isOwnLayer = false;
    const layer = /^ ?--?-> ([0-9a-f]{11,12})$/.exec(line)?.[1];
    if (layer !== undefined && isOwnLayer && made.length < madeMax) made.push(layer);
    if (/^(?:Step [2-9]\d*\/\d+ |STEP [2-9]\d*\/\d+): (?!FROM )/.test(line)) hasBase = true;
    if (!noise.test(line)) onLine(line);
  };
  const printed = createWholeLineSplitter(take);
  const objects = createLineSplitter((line) => {
    if (line === '') return;
    const entry = record(parsed(line));
    if (typeof entry['stream'] === 'string') printed.push(Buffer.from(entry['stream']));
    // Progress of a pull repeats with each chunk; the words before and after it do not.
    else if (typeof entry['status'] === 'string' && entry['progress'] === undefined) take(pullLine(entry));
    const failure = text(record(entry['errorDetail'])['message']) || text(entry['error']);
    if (failure !== '') error = failure;
  }, objectMaxBytes);
  return {
    push: (chunk) => objects.push(chunk),
    end() {
      objects.end();
      printed.end();
    },
    error: () => error,
    hasBase: () => hasBase,
    made: () => made,
  };
}

const pullLine = ({ id, status }: Readonly<Record<string, unknown>>): string =>
  id === undefined ? text(status) : `${text(id)}: ${text(status)}`;

/** Undefined for what is not JSON: a report whose end is cut has no outcome, which the builder checks by other means. */
function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
