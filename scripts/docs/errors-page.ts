/** docs/ERRORS.md, from the table of codes that the programs answer with. */
import { type ProblemKind, problemCodes } from '#common/problem-codes.ts';
import { code, table } from './markdown.ts';

export function errorsPage(): string {
  const kinds: [string, ProblemKind][] = Object.entries(problemCodes);
  const refusals = kinds.filter(([name, kind]) => !isFailure(name, kind));
  const failures = kinds.filter(([name, kind]) => isFailure(name, kind));
  return `# Errors

<!-- Written by "npm run docs" from common/problem-codes.ts. -->

Every refusal and every failed job carries one of these codes. REST answers hold it as \`error.code\` beside \`message\`,
\`details\`, \`hint\` and \`example\`; Connect and gRPC errors carry the same fields as a \`botrunner.v1.ErrorDetail\`, whose
\`reason\` is the code with \`ERROR_REASON_\` before it. In the last column, yes means that the same request may succeed
later as it is. Hints name the fields of a request in double quotes; the command line shows its options instead.
[TROUBLESHOOTING.md](TROUBLESHOOTING.md) starts from what you see: common messages and diagnoses, their causes, and what to do.

## Refused requests

${rowsOf(refusals)}

## Failed jobs

The request was accepted and its job failed: the code stands in \`data.error\` of the job, in an answer with HTTP status
200. The statuses below are for programs that turn a failed job into an error of their own.

${rowsOf(failures)}
`;
}

/** FAILED_PRECONDITION, but of a call itself. */
const refusedCalls = new Set(['WORKER_CONNECTED', 'DATA_LEFT_BEHIND']);

/** Codes of accepted jobs are FAILED_PRECONDITION, or the outcome of a job that did not end; 408 is of a request's own time. */
const isFailure = (name: string, kind: ProblemKind): boolean =>
  !refusedCalls.has(name) &&
  (kind.grpc === 'FAILED_PRECONDITION' || kind.grpc === 'DEADLINE_EXCEEDED' || kind.grpc === 'CANCELLED') &&
  kind.http !== 408;

const rowsOf = (kinds: readonly [string, ProblemKind][]): string =>
  table(
    ['Code', 'HTTP', 'gRPC', 'Cause', 'What to do', 'Retry'],
    kinds.map(([name, kind]) => [
      code(name),
      String(kind.http),
      kind.grpc,
      kind.cause,
      kind.cure,
      kind.retryable === true ? 'yes' : 'no',
    ]),
  );
