/**
 * Nothing that runs beside everything else may end a program: timers and work that nobody waits for go through
 * common/background.ts, or the clock, which report what they throw.
 */
import { globSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { checkout, checkoutPath } from '../../scripts/process/checkout.ts';

const programs = globSync('{orchestrator,worker,common}/**/*.ts', { cwd: checkout })
  .filter((path) => !/\.test\.ts$|\/testing\//.test(path))
  .map((path) => ({ path, lines: readFileSync(checkoutPath(path), 'utf8').split('\n') }));

const linesWith = (pattern: RegExp, allowed: readonly string[] = []): string[] =>
  programs
    .filter(({ path }) => !allowed.includes(path))
    .flatMap(({ path, lines }) =>
      lines.flatMap((line, at) => (pattern.test(line) && !/^\s*(\*|\/\/)/.test(line) ? [`${path}:${at + 1}`] : [])),
    );

it('a bare timer stands nowhere but in the clock and the guard', () => {
  expect(programs.length).toBeGreaterThan(100);
  const timers = /\b(?:setTimeout|setInterval|setImmediate|queueMicrotask)\(|process\.nextTick\(|node:timers/;
  // Group commit settles its own callers, whatever happens.
  expect(linesWith(timers, ['common/clock.ts', 'common/background.ts', 'orchestrator/store/group-commit.ts'])).toEqual(
    [],
  );
});

it('no promise is left without a handler of its failure', () => {
  // `void` before a call hides a promise; in types it stands before a bracket or a comma.
  expect(
    linesWith(/(?:^\s*|[=?:;{()]\s*|\belse )void [a-zA-Z_#(][\w.#?]*\(/, ['worker/runtime/docker/output-reader.ts']),
  ).toEqual([]);
});

it('a listener of an abort signal is set by the toolbox alone, which gives every caller what takes it back', () => {
  expect(linesWith(/addEventListener\('abort'/, ['common/clock.ts', 'common/waiting/abort.ts'])).toEqual([]);
});
