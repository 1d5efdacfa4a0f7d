/**
 * What a worker says is kept, published and shown, so it is cut to what an honest one would say: the host of a worker may not be honest, and
 * one message may have 16 MiB. Pure.
 */
import type { Timestamp } from '@bufbuild/protobuf/wkt';
import { timestampMs } from '@bufbuild/protobuf/wkt';
import type { Json, JsonObject } from '#common/json.ts';
import { type Problem, problem } from '#common/problem.ts';
import { problemFromProto } from '#common/problem-proto.ts';
import type { ErrorDetail } from '#gen/botrunner/v1/error_pb.js';

/** Limit of a reason or a diagnosis, in characters. */
const reasonLengthMax = 500;
/** Of names, ids and versions. */
const nameLengthMax = 128;
const messageLengthMax = 2_000;
const exampleLengthMax = 4_096;
// The end of a build's output is 30 lines of its log.
const detailLengthMax = 32_768;
const detailsMax = 16;
const lineLengthMax = 4_096;
const linesMax = 100;

export const shortName = (text: string): string => text.slice(0, nameLengthMax);
export const shortReason = (text: string): string => text.slice(0, reasonLengthMax);

/** A number of bytes or of milliseconds, as far as every place that it goes to can hold it. */
export const soundNumber = (value: bigint): number => Math.min(Math.max(0, Number(value)), Number.MAX_SAFE_INTEGER);

/** The last year that RFC 3339 can write. */
const timeMax = Date.UTC(10_000, 0) - 1;

/** Ms since 1970. */
export const soundTime = (time: Timestamp): number => Math.min(Math.max(0, timestampMs(time)), timeMax);

/** The last lines of a bot, as texts. */
export const shortLines = (lines: readonly { readonly text: string }[]): readonly string[] =>
  lines.slice(-linesMax).map(({ text }) => text.slice(0, lineLengthMax));

/** A failure; of a text among its details the end is kept, where an output says what went wrong. */
export function shortProblem(detail: ErrorDetail): Problem {
  const { message, hint, details, example, ...rest } = problemFromProto(detail);
  return {
    ...rest,
    message: message.slice(0, messageLengthMax),
    hint: hint.slice(0, messageLengthMax),
    details: shortDetails(details),
    example: lengthOf(example) > exampleLengthMax ? problem('CONTAINER_ERROR', '').example : example,
  };
}

function shortDetails(details: JsonObject): JsonObject {
  const kept = Object.entries(details)
    .slice(0, detailsMax)
    .map(([name, value]): [string, Json] => [
      shortName(name),
      typeof value === 'string' ? value.slice(-detailLengthMax) : value,
    ])
    .filter(([, value]) => typeof value === 'string' || lengthOf(value) <= detailLengthMax);
  return Object.fromEntries(kept);
}

const lengthOf = (value: Json): number => JSON.stringify(value).length;
