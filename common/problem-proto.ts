/** Problems as botrunner.v1.ErrorDetail messages, and back. */
import { create, fromJson, toJson } from '@bufbuild/protobuf';
import { ValueSchema } from '@bufbuild/protobuf/wkt';
import { type ErrorDetail, ErrorDetailSchema, ErrorReason } from '#gen/botrunner/v1/error_pb.js';
import type { Json, JsonObject } from './json.ts';
import type { Problem } from './problem.ts';
import { isProblemCode } from './problem-codes.ts';

/** The reason number of a code; UNSPECIFIED for a code that proto does not list (a test holds that there is none). */
function reasonOf(code: string): ErrorReason {
  const reason = (ErrorReason as unknown as Record<string, ErrorReason | undefined>)[code];
  return reason ?? ErrorReason.UNSPECIFIED;
}

export function problemToProto(value: Problem): ErrorDetail {
  return create(ErrorDetailSchema, {
    reason: reasonOf(value.code),
    code: value.code,
    message: value.message,
    // A JsonObject is a plain JSON value; protobuf-es only wants it mutable in type. `details` is a Struct, which
    // protobuf-es represents as a JSON object.
    details: value.details as Record<string, never>,
    hint: value.hint,
    example: fromJson(ValueSchema, value.example as never),
    retryable: value.retryable,
  });
}

/** Back from the wire. A code newer than this program becomes INTERNAL with its message kept. */
export function problemFromProto(detail: ErrorDetail): Problem {
  return {
    code: isProblemCode(detail.code) ? detail.code : 'INTERNAL',
    message: detail.message,
    details: (detail.details ?? {}) as JsonObject,
    hint: detail.hint,
    example: detail.example === undefined ? null : (toJson(ValueSchema, detail.example) as Json),
    retryable: detail.retryable,
  };
}
