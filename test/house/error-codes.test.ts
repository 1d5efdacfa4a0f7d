/** The contract and the table of codes say the same. */
import { expect, it } from 'vitest';
import { problemCodes } from '#common/problem-codes.ts';
import { ErrorReasonSchema } from '#gen/botrunner/v1/error_pb.js';

const unspecified = 'ERROR_REASON_UNSPECIFIED';

it('every ErrorReason of the contract has a code with a cause and a cure, and every code an ErrorReason', () => {
  const reasons = ErrorReasonSchema.values.map(({ name }) => name).filter((name) => name !== unspecified);
  const codes = Object.keys(problemCodes).map((code) => `ERROR_REASON_${code}`);
  expect(codes.sort()).toEqual(reasons.sort());
});
