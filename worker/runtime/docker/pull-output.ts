/**
 * The engine's report of a pull as few output lines and an outcome. As with builds, only an `error` in it shows a failure.
 * Pure.
 */
import { createLineSplitter } from '../output-lines.ts';
import { number, record, text } from './answers.ts';

export interface PullReport {
  /** Compressed bytes of the layers that are being fetched, as far as they are known. */
  bytes(): number;
  push(chunk: Buffer): void;
  /** Call at the end of the stream. */
  end(): void;
  /** The engine's words for what went wrong. */
  error(): string | undefined;
}

const objectMaxBytes = 1024 * 1024;
const layersMax = 10_000;

export function createPullReport(onLine: (line: string) => void): PullReport {
  let error: string | undefined;
  const layers = new Set<string>();
  const sized = new Set<string>();
  let bytes = 0;
  let told = 0;
  let complete = 0;
  const takeLayer = (id: string, status: string) => {
    if (layers.size < layersMax) layers.add(id);
    if (status === 'Pull complete' || status === 'Already exists') complete += 1;
    // Each layer reports many times a second; one line for about every tenth of the way is enough.
    if (complete > told && (complete === layers.size || complete - told >= layers.size / 10)) {
      told = complete;
      onLine(`layers: ${complete} of ${layers.size}`);
    }
  };
  const objects = createLineSplitter((line) => {
    const entry = record(parsed(line));
    const [id, status] = [text(entry['id']), text(entry['status'])];
    // "Pulling from" has the tag as its id.
    if (/^[0-9a-f]{12}$/.test(id)) {
      takeLayer(id, status);
      const total = number(record(entry['progressDetail'])['total']);
      if (status === 'Downloading' && total > 0 && !sized.has(id) && sized.size < layersMax) {
        sized.add(id);
        bytes += total;
      }
    } else if (status !== '') onLine(status);
    const failure = text(record(entry['errorDetail'])['message']) || text(entry['error']);
    if (failure !== '') error = failure;
  }, objectMaxBytes);
  return { bytes: () => bytes, push: (chunk) => objects.push(chunk), end: () => objects.end(), error: () => error };
}

/** Undefined for what is not JSON, as in a truncated report; whether the image is there is the better proof. */
function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
