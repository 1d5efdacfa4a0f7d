/** What a request for a log may ask for. Pure. */
import type { Timestamp } from '@bufbuild/protobuf/wkt';
import { fail, ok, problem, type Result } from '#common/problem.ts';
import type { StreamLogsRequest } from '#gen/botrunner/v1/bot_service_pb.js';
import { parseLines } from './validate-bot-request.ts';

export interface LogRequest {
  /** 0 with since: all of them. */
  readonly lines: number;
  readonly follow: boolean;
  readonly afterCursor: string;
  readonly since: Timestamp | undefined;
  readonly until: Timestamp | undefined;
  /** As since and until, but so long ago, ms: by the clock of the worker, which dates the lines. They go first. */
  readonly sinceAgoMs: number | undefined;
  readonly untilAgoMs: number | undefined;
  readonly grep: string;
  readonly buildOnly: boolean;
}

const agoMaxMs = 100n * 366n * 86_400_000n;
const cursorMaxLength = 256;
const grepMaxLength = 256;
// What RFC 3339 and google.protobuf.Timestamp can say: years 1 to 9999.
const secondsBounds = { least: -62_135_596_800n, most: 253_402_300_799n };

export function parseLogRequest(request: Omit<StreamLogsRequest, '$typeName' | 'botId'>): Result<LogRequest> {
  const { follow, afterCursor, since, until, sinceAgoMs, untilAgoMs, grep, buildOnly } = request;
  const fromTime = since !== undefined || sinceAgoMs !== undefined;
  const lines = request.lines === 0 ? ok(fromTime ? 0 : 100) : parseLines(request.lines);
  if (!lines.ok) return lines;
  if (afterCursor.length > cursorMaxLength) return fail(problem('INVALID_CURSOR', 'The cursor is not valid.'));
  for (const [field, time] of Object.entries({ since, until })) {
    if (time !== undefined && !isTime(time)) return badTime(field, `"${field}" is not a valid time.`);
  }
  for (const [field, ms] of Object.entries({ since_ago_ms: sinceAgoMs, until_ago_ms: untilAgoMs })) {
    if (ms !== undefined && (ms < 0n || ms > agoMaxMs)) {
      return badTime(field, `"${field}" must be from 0 to 100 years in milliseconds.`);
    }
  }
  if (since !== undefined && until !== undefined && nsOf(since) > nsOf(until)) {
    return badTime('since', '"since" is later than "until".');
  }
  if (sinceAgoMs !== undefined && untilAgoMs !== undefined && sinceAgoMs < untilAgoMs) {
    return badTime('since_ago_ms', '"since_ago_ms" is later than "until_ago_ms".');
  }
  if (grep.length > grepMaxLength || /[\r\n]/.test(grep)) {
    return fail(
      problem('INVALID_GREP', `"grep" is longer than ${grepMaxLength} characters, or contains a line break.`, {
        details: { field: 'grep', max: grepMaxLength },
      }),
    );
  }
  return ok({
    lines: lines.value,
    follow,
    afterCursor,
    since,
    until,
    sinceAgoMs: numberOf(sinceAgoMs),
    untilAgoMs: numberOf(untilAgoMs),
    grep,
    buildOnly,
  });
}

const numberOf = (value: bigint | undefined): number | undefined => (value === undefined ? undefined : Number(value));

const badTime = (field: string, message: string) => fail(problem('INVALID_TIME', message, { details: { field } }));

const isTime = ({ seconds, nanos }: Timestamp): boolean =>
  seconds >= secondsBounds.least && seconds <= secondsBounds.most && nanos >= 0 && nanos < 1_000_000_000;

const nsOf = ({ seconds, nanos }: Timestamp): bigint => seconds * 1_000_000_000n + BigInt(nanos);
