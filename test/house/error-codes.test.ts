/** The contract and the table of codes say the same. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import type { JsonObject } from '#common/json.ts';
import { problem } from '#common/problem.ts';
import { type ProblemCode, problemCodes } from '#common/problem-codes.ts';
import { problemExamples } from '#common/problem-examples.ts';
import { ErrorReasonSchema } from '#gen/botrunner/v1/error_pb.js';
import { validateBotRequest } from '../../orchestrator/core/validate/validate-bot-request.ts';
import { checkoutPath } from '../../scripts/process/checkout.ts';

const unspecified = 'ERROR_REASON_UNSPECIFIED';

it('every code has a message of its own kind, a hint and an example that can be sent', () => {
  for (const code of Object.keys(problemCodes) as ProblemCode[]) {
    const { hint, example, details } = problem(code, 'It is so.');
    expect({ code, hint }).toMatchObject({ hint: expect.stringMatching(/^[A-Z].*[\w.]$/) });
    expect({ code, details }).toEqual({ code, details: {} });
    expect({ code, example }).not.toMatchObject({ example: null });
  }
});

it('every example that is a request is one that the validator takes', () => {
  const requests = Object.entries(problemExamples).filter(
    (entry): entry is [string, { data: JsonObject }] => typeof entry[1] === 'object' && 'data' in (entry[1] ?? {}),
  );
  expect(requests.length).toBeGreaterThan(40);
  for (const [code, { data }] of requests) {
    const { archive, ...rest } = data;
    // The example names what goes there, instead of a page of base64.
    const real = archive === undefined ? rest : { ...rest, archive: Buffer.from('tar').toString('base64') };
    const result = validateBotRequest(real);
    expect({ code, problem: result.ok ? undefined : result.problem }).toEqual({ code, problem: undefined });
  }
});

it('every ErrorReason of the contract has a code with a cause and a cure, and every code an ErrorReason', () => {
  const reasons = ErrorReasonSchema.values.map(({ name }) => name).filter((name) => name !== unspecified);
  const codes = Object.keys(problemCodes).map((code) => `ERROR_REASON_${code}`);
  expect(codes.sort()).toEqual(reasons.sort());
});

it('the Russian reference has a line for every code', () => {
  const page = readFileSync(checkoutPath('docs', 'ru', '07-reference.md'), 'utf8');
  const lines = new Map(
    [...page.matchAll(/^\| `([A-Z_]+)` \| .+ \| (\d{3}) \|$/gm)].map(([, code, http]) => [code, http]),
  );
  const wanted = Object.entries(problemCodes).map(([code, { http }]) => [code, String(http)]);
  expect(Object.fromEntries(lines)).toEqual(Object.fromEntries(wanted));
});
