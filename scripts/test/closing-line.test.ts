/** npm test's last line and exit code, seen on real runs of small test files. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { checkoutPath } from '../process/checkout.ts';

// A whole vitest each, on a machine with much else to do.
vi.setConfig({ testTimeout: 60_000 });

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'botrunner-closing-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Runs scripts/test.ts on these files alone; they get `it` and friends as globals: they have no node_modules. */
function runOn(files: Record<string, string>, ...args: string[]): { lines: string[]; code: number | null } {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  const ended = spawnSync(
    process.execPath,
    [checkoutPath('scripts', 'test.ts'), `--root=${folder}`, '--globals', ...args],
    { encoding: 'utf8', env: withoutOuterRun(), timeout: 60_000 },
  );
  return { lines: ended.stdout.trimEnd().split('\n'), code: ended.status };
}

/** The outer vitest marks its workers by these; the inner one must not mistake itself for a worker. */
function withoutOuterRun(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(VITEST|TEST$|NODE_ENV$)/.test(name)));
}

it('counts tests, prints the reasons of skips and ends well', () => {
  const { lines, code } = runOn({
    'a.test.ts': `
      it('a', () => {});
      it('b', () => {});
      it('c', ({ skip }) => skip('the moon is full'));
      describe('d', { skip: true, meta: { skipReason: 'no engine here' } }, () => { it('e', () => {}); it('f', () => {}); });
    `,
  });
  expect(lines.slice(-3)).toEqual([
    'skipped "c" in a.test.ts: the moon is full',
    'skipped 2 tests in a.test.ts: no engine here',
    '2 passed, 0 failed, 3 skipped',
  ]);
  expect(code).toBe(0);
});

it('counts a failed test, a file that does not load and a set-up that fails', () => {
  const { lines, code } = runOn({
    'a.test.ts': `it('a', () => { expect(1).toBe(2); }); it('b', () => {});`,
    'b.test.ts': `throw new Error('does not load');`,
    'c.test.ts': `beforeAll(() => { throw new Error('no set-up'); }); it('c', () => {});`,
  });
  expect(lines.at(-1)).toBe('1 passed, 3 failed, 1 skipped');
  expect(code).toBe(1);
});

it('counts a row as the test ended that it rests on, and as skipped when that test was not run', () => {
  const row = (name: string, test: string, file = 'a.test.ts') =>
    `it('${name}', { meta: { provenBy: { file: '${file}', test: '${test}' } } }, () => {});`;
  const files = {
    'a.test.ts': `it('good', () => {}); it('bad', () => { throw new Error('bad'); });`,
    'rows.test.ts': row('one', 'good') + row('two', 'bad') + row('three', 'gone') + row('four', 'x', 'b.test.ts'),
  };
  const { lines, code } = runOn(files);
  expect(lines.slice(-4)).toEqual([
    'skipped "four" in rows.test.ts: rests on b.test.ts, which was not part of this run',
    'failed "two" in rows.test.ts: "bad" in a.test.ts failed',
    'failed "three" in rows.test.ts: a.test.ts has no test "gone"',
    '2 passed, 3 failed, 1 skipped',
  ]);
  expect(code).toBe(1);
});

it('fails when there is no test to run', () => {
  const { lines, code } = runOn({ 'a.txt': '' });
  expect(lines.at(-1)).toBe('0 passed, 0 failed, 0 skipped');
  expect(code).toBe(1);
});

it('hands its arguments on', () => {
  const { lines, code } = runOn(
    { 'a/x.test.ts': `it('a', () => {});`, 'b/y.test.ts': `it('b', () => { throw new Error('b'); });` },
    'a/',
  );
  expect(lines.at(-1)).toBe('1 passed, 0 failed, 0 skipped');
  expect(code).toBe(0);
});
