/** What no file of the project may hold: traces of the machine it was written on, and tests that silence others. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { checkout, checkoutPath } from '../../scripts/process/checkout.ts';

/** Text files of the checkout: tracked ones, and new ones that git would take. Undefined without git. */
function textFiles(): { path: string; text: string }[] | undefined {
  const listed = spawnSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '-z'], {
    cwd: checkout,
    encoding: 'utf8',
  });
  if (listed.status !== 0) return undefined;
  return listed.stdout
    .split('\0')
    .filter((path) => path !== '')
    .flatMap((path) => {
      const text = readText(path);
      return text === undefined || text.includes('\0') ? [] : [{ path, text }];
    });
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(checkoutPath(path), 'utf8');
  } catch (error) {
    // Deleted in the work tree, still in git's index; or a link to a folder.
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'EISDIR'))
      return undefined;
    throw error;
  }
}

/** "path:line" of every line that matches, but in the files left out. */
function linesWith(pattern: RegExp, files: readonly { path: string; text: string }[]): string[] {
  return files.flatMap(({ path, text }) =>
    pattern.test(text) ? text.split('\n').flatMap((line, at) => (pattern.test(line) ? [`${path}:${at + 1}`] : [])) : [],
  );
}

const notAGitCheckout = 'this is no git checkout: which files are the project is not known';

it('no file names a folder of the machine it was written on', ({ skip }) => {
  const files = textFiles() ?? skip(notAGitCheckout);
  const folders = ['work', 'farm'].join('|');
  expect(linesWith(new RegExp(`(^|[^a-z.])/(${folders})/`), files)).toEqual([]);
});

it('no file names the package registry that this machine is set to', ({ skip }) => {
  const files = textFiles() ?? skip(notAGitCheckout);
  const asked = spawnSync('npm', ['config', 'get', 'registry'], { cwd: checkout, encoding: 'utf8' });
  const host = URL.canParse(asked.stdout.trim()) ? new URL(asked.stdout.trim()).host : '';
  const publicHost = ['registry', 'npmjs', 'org'].join('.');
  if (host === publicHost) skip('npm uses the public registry, which everybody may name');
  expect(host, `npm config get registry said: ${asked.stdout}${asked.stderr}`).not.toBe('');
  expect(files.filter(({ text }) => text.includes(host)).map(({ path }) => path)).toEqual([]);
});

it('no test is marked to run alone', ({ skip }) => {
  const files = textFiles() ?? skip(notAGitCheckout);
  const tests = files.filter(({ path }) => path.endsWith('.test.ts'));
  expect(tests.length).toBeGreaterThan(0);
  expect(linesWith(/\b(it|test|describe|suite)(\.\w+)*\.only\b/, tests)).toEqual([]);
});
