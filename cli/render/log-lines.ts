/** Lines of a log for a terminal, for a pipe and as JSON. Pure. */
import { type Timestamp, timestampDate } from '@bufbuild/protobuf/wkt';
import type { JsonObject } from '#common/json.ts';
import { type LogEntry, LogStream } from '#gen/botrunner/v1/log_pb.js';
import { exactTime } from './bots.ts';
import { plainOutput, safeOutput } from './escape.ts';
import type { Style } from './style.ts';

/** The stream's word in JSON: stdout, stderr, build, system, gap. */
const streamWord = (stream: LogStream): string => (LogStream[stream] ?? 'unspecified').toLowerCase();

/** Where a line came from, if not from the bot itself. */
function prefix(stream: LogStream): string {
  switch (stream) {
    case LogStream.BUILD:
      return '[build] ';
    case LogStream.SYSTEM:
      return '[system] ';
    case LogStream.GAP:
      return '[gap] ';
    default:
      return '';
  }
}

/**
 * One line with its line end, safe to look at, on a terminal and in a pipe, which often ends on one: escape sequences are left out,
 * other control characters written out. Errors and warnings are coloured on a terminal. Lines that are not the bot's are marked.
 */
export function renderLogLine(entry: LogEntry, style: Style, timestamps = false): string {
  const head = heading(entry, timestamps);
  const text = entry.stream === LogStream.BUILD ? plainOutput(entry.text) : safeOutput(entry.text);
  if (entry.stream === LogStream.GAP) return `${style.yellow(head + text)}\n`;
  return `${head === '' ? '' : style.dim(head)}${paint(text, style)(text)}\n`;
}

/** One line with its line end, each character as the bot wrote it. */
export const renderRawLogLine = (entry: LogEntry, timestamps = false): string =>
  `${heading(entry, timestamps)}${entry.text}\n`;

const heading = (entry: LogEntry, timestamps: boolean): string =>
  `${timestamps ? `${exactTimeNs(entry.time)} ` : ''}${prefix(entry.stream)}`;

function paint(text: string, style: Style): (text: string) => string {
  if (/\b(error|exception|traceback|critical|fatal)\b|\b[A-Z]\w*Error\b/i.test(text)) return style.red;
  if (/\bwarn(ing)?\b/i.test(text)) return style.yellow;
  return /\b(INFO|DEBUG)\b/.test(text) ? style.dim : (line) => line;
}

/** RFC 3339, UTC, with all nine digits: lines are printed many to a millisecond. */
function exactTimeNs(time: Timestamp | undefined): string {
  if (time === undefined) return '-';
  const nanos = String(time.nanos).padStart(9, '0');
  return timestampDate(time)
    .toISOString()
    .replace(/\.\d+Z$/, `.${nanos}Z`);
}

export const logEntryJson = (entry: LogEntry): JsonObject => ({
  time: exactTime(entry.time),
  stream: streamWord(entry.stream),
  text: entry.text,
  cursor: entry.cursor,
});
