/**
 * Joins log frames to lines. The engine cuts a line of more than 16 KiB into frames that share one timestamp; the last of
 * them ends with a line feed. The two streams may be mixed. Pure.
 */
import type { OutputLine, OutputStream } from '../container-runtime.ts';
import { createLineSplitter, type LineSplitter, wholeLine } from '../output-lines.ts';
import type { OutputFrame } from './output-frames.ts';

export interface LineJoiner {
  /** The lines that are complete with this frame, in order. */
  push(frame: OutputFrame): readonly OutputLine[];
  /** Whether a line has begun and not ended. */
  hasUnfinished(): boolean;
  /** Gives out what has no line end: right only when nothing can follow, because the container has ended. */
  end(): readonly OutputLine[];
}

interface Unfinished {
  readonly timeNs: bigint;
  readonly splitter: LineSplitter;
}

export function createLineJoiner(): LineJoiner {
  const unfinished = new Map<OutputStream, Unfinished>();
  let done: OutputLine[] = [];
  const taken = (): readonly OutputLine[] => {
    const lines = done;
    done = [];
    return lines;
  };
  const begin = (stream: OutputStream, timeNs: bigint): Unfinished => ({
    timeNs,
    splitter: createLineSplitter((text, around) => done.push({ timeNs, stream, text, ...(around && { around }) })),
  });
  const finish = (stream: OutputStream) => {
    unfinished.get(stream)?.splitter.end();
    unfinished.delete(stream);
  };
  return {
    push({ stream, timeNs, content }) {
      if (unfinished.size === 0) {
        // Nearly every frame is a whole line.
        const text = wholeLine(content);
        if (text !== undefined) return [{ timeNs, stream, text }];
      }
      // Another time is another line: the one before was cut off when its container ended.
      if (unfinished.get(stream)?.timeNs !== timeNs) finish(stream);
      const line = unfinished.get(stream) ?? begin(stream, timeNs);
      line.splitter.push(content);
      if (content.at(-1) === 0x0a) unfinished.delete(stream);
      else unfinished.set(stream, line);
      return taken();
    },
    hasUnfinished: () => unfinished.size > 0,
    end() {
      for (const stream of [...unfinished.keys()]) finish(stream);
      return taken();
    },
  };
}
