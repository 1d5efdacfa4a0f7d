/** A log as one text, for the REST action `logs`: each line with its time, oldest first. */
import { timestampDate } from '@bufbuild/protobuf/wkt';
import type { LogEntry } from '#gen/botrunner/v1/log_pb.js';

const lineOf = ({ time, text }: LogEntry): string =>
  time === undefined ? text : `${timestampDate(time).toISOString()} ${text}`;

export async function readLogText(batches: AsyncIterable<readonly LogEntry[]>): Promise<string> {
  const lines: string[] = [];
  for await (const batch of batches) for (const entry of batch) lines.push(`${lineOf(entry)}\n`);
  return lines.join('');
}
