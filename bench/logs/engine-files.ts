/** What the engine still has of a flood, read from the engine's own files while it runs. */
import { closeSync, openSync, readSync } from 'node:fs';
import type { Sample } from './losses.ts';

const everyMs = 5;
// Enough for one line of the flood with what json-file adds to it.
const headBytes = 4096;

export class EngineFiles {
  readonly #path: string;
  samples: Sample[] = [];
  #timer: NodeJS.Timeout | undefined;
  readonly #known = new Set<string>();

  /** `path` is what the engine calls LogPath; rotated files end in .1 and .2. */
  constructor(path: string) {
    this.#path = path;
  }

  /** Looks at the files of this flood from now on, until `stop`. */
  watch(flood: number): void {
    this.samples = [];
    const look = () => {
      const atMs = performance.now();
      const oldest = this.#oldest(flood);
      if (oldest !== undefined) this.samples.push({ atMs, oldest });
    };
    this.#timer = setInterval(look, everyMs);
    look();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** The number of the oldest line of the flood; 1 while older lines are there. Undefined when the files are just being renamed. */
  #oldest(flood: number): number | undefined {
    for (const suffix of ['.2', '.1', '']) {
      const line = firstLine(`${this.#path}${suffix}`);
      if (line === undefined && this.#known.has(suffix)) return undefined;
      if (line === undefined) continue;
      this.#known.add(suffix);
      const match = /^\{"log":"(\d+) (\d+) /.exec(line);
      return match !== null && Number(match[1]) === flood ? Number(match[2]) : 1;
    }
    return undefined;
  }
}

/** Undefined for no file, or an empty one. */
function firstLine(path: string): string | undefined {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch {
    return undefined; // not rotated so often, or just being renamed
  }
  try {
    const bytes = Buffer.alloc(headBytes);
    const length = readSync(file, bytes, 0, headBytes, 0);
    return length === 0 ? undefined : bytes.toString('latin1', 0, length);
  } finally {
    closeSync(file);
  }
}
