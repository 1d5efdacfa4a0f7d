/**
 * A place in the log of a bot, as worker and orchestrator write it: which log, and the number of an entry in it. Opaque to
 * everyone else. The number 0 is the place before the first entry.
 */

export interface LogCursor {
  /** New whenever a log is started over, so that a place in the old one is not mistaken for one in the new. */
  readonly logId: string;
  readonly seq: number;
}

const pattern = /^([0-9a-f]{16})-([0-9]{1,15})$/;

export const formatLogCursor = ({ logId, seq }: LogCursor): string => `${logId}-${seq}`;

/** Undefined for text that is not a log cursor. */
export function parseLogCursor(text: string): LogCursor | undefined {
  const match = pattern.exec(text);
  return match ? { logId: match[1] ?? '', seq: Number(match[2]) } : undefined;
}
