/**
 * Where a reader of a container's log stands: at one line, its anchor. Named by the line's time, its number among the
 * lines of that same time, and a hash of its text. Pure.
 */
import { createHash } from 'node:crypto';
import { refuse } from '#common/problem.ts';
import type { OutputLine } from '../container-runtime.ts';

export interface OutputCursor {
  /** Time of the anchor; 0 at the beginning of the log. */
  readonly timeNs: bigint;
  /** The anchor is the n-th line of that time; 0 when there is no anchor to be found, only a time to continue after. */
  readonly ordinal: number;
  readonly hash: string;
}

export const startCursor: OutputCursor = { timeNs: 0n, ordinal: 0, hash: '' };

const pattern = /^d1:(\d{1,19}):(\d{1,9}):([A-Za-z0-9_-]{0,11})$/;

export const formatOutputCursor = ({ timeNs, ordinal, hash }: OutputCursor): string =>
  `d1:${timeNs}:${ordinal}:${hash}`;

/** Throws ProblemError INVALID_CURSOR for what formatOutputCursor did not make. */
export function parseOutputCursor(text: string): OutputCursor {
  const match = pattern.exec(text);
  if (!match) return refuse('INVALID_CURSOR', 'The log cursor was not issued by this worker.');
  return { timeNs: BigInt(match[1] ?? 0), ordinal: Number(match[2]), hash: match[3] ?? '' };
}

export const lineHash = (line: OutputLine): string =>
  createHash('sha256').update(`${line.stream}\n${line.text}`).digest('base64url').slice(0, 11);
