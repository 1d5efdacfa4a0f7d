/** Lines of a log for a terminal, for a pipe and as JSON. Pure. */
import { type Timestamp, timestampDate } from '@bufbuild/protobuf/wkt';
import type { JsonObject } from '#common/json.ts';
import { type LogEntry, LogStream } from '#gen/botrunner/v1/log_pb.js';
import { exactTime } from './bots.ts';
import { escapeControls, plainOutput } from './escape.ts';
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
 * One line with its line end. On a terminal it is safe to look at: control characters are written out, errors and
 * warnings coloured. In a pipe a line of the bot is as it wrote it, byte for byte. Lines of others are marked in both.
 */
export function renderLogLine(entry: LogEntry, style: Style, timestamps = false): string {
  const time = timestamps ? `${exactTimeNs(entry.time)} ` : '';
  if (!style.terminal) return `${time}${prefix(entry.stream)}${entry.text}\n`;
  const head = time + prefix(entry.stream);
  // A CR before the line end is how some programs end lines; it carries no meaning.
  const text =
    entry.stream === LogStream.BUILD ? plainOutput(entry.text) : escapeControls(entry.text.replace(/\r$/, ''));
  if (entry.stream === LogStream.GAP) return `${style.yellow(head + text)}\n`;
  return `${head === '' ? '' : style.dim(head)}${paint(text, style)(text)}\n`;
}

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
