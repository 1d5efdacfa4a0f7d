/** A log as one text, for the REST action `logs`: each line with its time, oldest first. */
import { timestampDate } from '@bufbuild/protobuf/wkt';
import type { LogEntry } from '#gen/botrunner/v1/log_pb.js';
import type { LogPart } from './live-tail.ts';

const lineOf = ({ time, text }: LogEntry): string =>
  time === undefined ? text : `${timestampDate(time).toISOString()} ${text}`;

export async function readLogText(parts: AsyncIterable<LogPart>): Promise<string> {
  const lines: string[] = [];
  for await (const { batch } of parts) for (const entry of batch.entries) lines.push(`${lineOf(entry)}\n`);
  return lines.join('');
}
