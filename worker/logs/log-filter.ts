/** Which entries of a log a reader wants. Pure. */
import { LogStream, type NewEntry } from './log-entry.ts';

export interface LogFilter {
  /** Wall time in ns since 1970, both ends included. */
  readonly sinceNs?: bigint | undefined;
  readonly untilNs?: bigint | undefined;
  /** Only lines that hold this text. */
  readonly grep?: string | undefined;
  readonly buildOnly?: boolean | undefined;
}

/** Undefined when every entry is wanted. */
export function createLogFilter(filter: LogFilter): ((entry: NewEntry) => boolean) | undefined {
  const { sinceNs, untilNs, grep = '', buildOnly = false } = filter;
  if (sinceNs === undefined && untilNs === undefined && grep === '' && !buildOnly) return undefined;
  return ({ timeNs, stream, text }) => {
    if (sinceNs !== undefined && timeNs < sinceNs) return false;
    if (untilNs !== undefined && timeNs > untilNs) return false;
    // What is missing could have been wanted.
    if (stream === LogStream.GAP) return true;
    if (buildOnly && stream !== LogStream.BUILD) return false;
    return grep === '' || text.includes(grep);
  };
}
