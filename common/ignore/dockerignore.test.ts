import { describe, expect, it } from 'vitest';
import { type IgnorePattern, parseDockerignore } from './dockerignore.ts';
import { createEffort, type IgnoreVerdict, judge } from './judge.ts';
import { createPathFilter } from './path-filter.ts';

function patternsOf(content: string): readonly IgnorePattern[] {
  const result = parseDockerignore(content, '.dockerignore');
  if (!result.ok) throw new Error(result.problem.message);
  return result.value;
}

/** What is kept of some files, found by a walk like the real one: it enters a folder only if the filter says so. */
async function kept(content: string, files: readonly string[]): Promise<readonly string[]> {
  const patterns = patternsOf(content);
  const found: string[] = [];
  for (const file of files) {
    const steps = file.split('/');
    let verdict: IgnoreVerdict | undefined;
    for (const end of steps.keys()) {
      if (verdict !== undefined && !verdict.keep && !verdict.lookInside) {
        verdict = undefined;
        break;
      }
      verdict = await judge(patterns, steps.slice(0, end + 1).join('/'), verdict, effort());
    }
    if (verdict?.keep) found.push(file);
  }
  return found;
}

/** The same of paths that come one by one, as from a tar. */
async function filtered(content: string, files: readonly string[]): Promise<readonly string[]> {
  const isKept = createPathFilter(patternsOf(content), effort());
  const found: string[] = [];
  for (const file of files) if (await isKept(file)) found.push(file);
  return found;
}

const effort = () => createEffort(async () => {});

const files = [
  'Dockerfile',
  '.dockerignore',
  'README.md',
  'bot.py',
  'docs/a.md',
  'docs/img/x.png',
  'src/app.py',
  'src/lib/b.py',
  'src/lib/b.pyc',
];
const without = (...gone: string[]) => files.filter((file) => !gone.includes(file));

describe('a .dockerignore', () => {
  it.each<[string, readonly string[]]>([
    ['', files],
    ['# only a comment\n\n   \n', files],
    ['docs', without('docs/a.md', 'docs/img/x.png')],
    ['docs/', without('docs/a.md', 'docs/img/x.png')],
    ['/docs', without('docs/a.md', 'docs/img/x.png')],
    ['./docs/../docs', without('docs/a.md', 'docs/img/x.png')],
    ['  docs  \r\n', without('docs/a.md', 'docs/img/x.png')],
    ['\uFEFFdocs', without('docs/a.md', 'docs/img/x.png')],
    // Only a "#" in the first column begins a comment.
    [' #docs', files],
    ['*.md', without('README.md')],
    ['**/*.md', without('README.md', 'docs/a.md')],
    ['*/*.md', without('docs/a.md')],
    ['*/*/b.*', without('src/lib/b.py', 'src/lib/b.pyc')],
    ['src/**', without('src/app.py', 'src/lib/b.py', 'src/lib/b.pyc')],
    ['**/lib', without('src/lib/b.py', 'src/lib/b.pyc')],
    ['lib', files],
    ['.', files],
    ['../docs', files],
    // Brought back: the last pattern that matches decides.
    ['*.md\n!README.md', files],
    ['!README.md\n*.md', without('README.md')],
    ['**/*.md\n!docs\n', without('README.md')],
    ['docs\n!docs/img', without('docs/a.md')],
    ['docs\n!docs/img/*.png', without('docs/a.md')],
    ['docs\n! docs/a.md ', without('docs/img/x.png')],
    ['src\n!**/*.py', without('src/lib/b.pyc')],
    ['src\n!src/**/b.py\n', without('src/app.py', 'src/lib/b.pyc')],
    ['src\n!src/lib\nsrc/lib/*.pyc', without('src/app.py', 'src/lib/b.pyc')],
    ['*\n!src', ['Dockerfile', '.dockerignore', 'src/app.py', 'src/lib/b.py', 'src/lib/b.pyc']],
    ['*\n!bot.py', ['Dockerfile', '.dockerignore', 'bot.py']],
    ['**\n!src/app.py', ['Dockerfile', '.dockerignore', 'src/app.py']],
    // The build needs these two.
    ['Dockerfile\n.dockerignore\n*', ['Dockerfile', '.dockerignore']],
    ['[a-c]ot.py', without('bot.py')],
    ['d?cs', without('docs/a.md', 'docs/img/x.png')],
  ])('%j keeps %j', async (content, expected) => {
    expect(await kept(content, files)).toEqual(expected);
    expect(await filtered(content, files)).toEqual(expected);
  });

  it.each<[string, string]>([
    ['docs\n!\n', 'Line 2 of .dockerignore is not a pattern.'],
    ['[', 'Line 1 of .dockerignore is not a pattern.'],
    ['\n\na\\', 'Line 3 of .dockerignore is not a pattern.'],
    [`a\n${'*'.repeat(1025)}`, 'Line 2 of .dockerignore is too long for a pattern.'],
    ['x\n'.repeat(2001), '.dockerignore has more than 2000 patterns.'],
  ])('that begins with %j is refused', (content, message) => {
    expect(parseDockerignore(content, '.dockerignore')).toMatchObject({ ok: false, problem: { message } });
  });
});

describe('what is left out by default', () => {
  const risky = [
    '.env',
    '.git/config',
    '.github/x',
    '.venv/x',
    'app/.env',
    'app/.git/x',
    'bot.py',
    'node_modules/x/i.js',
  ];
  const all = risky.filter((file) => !file.includes('.git/'));

  it.each<[string, readonly string[]]>([
    // As in Docker: everything. Only .git is not part of a build from a repository either.
    ['', all],
    ['!.git', ['.env', '.git/config', ...all.slice(1)]],
    // A pattern that does not say the name thinks of other files.
    ['*\n!**', all],
    ['*\n!app', ['app/.env']],
    // A later pattern takes it out again.
    ['!.git\n.git', all],
    ['!.env\n*', []],
  ])('%j keeps %j', async (content, expected) => {
    expect(await kept(content, risky)).toEqual(expected);
    expect(await filtered(content, risky)).toEqual(expected);
  });

  it('is distinguished from what a pattern leaves out', async () => {
    const verdict = (content: string, path: string) => judge(patternsOf(content), path, undefined, effort());
    expect(await verdict('', '.git')).toMatchObject({ keep: false, byDefault: true, lookInside: false });
    expect(await verdict('*', '.git')).toMatchObject({ keep: false, byDefault: false });
    expect(await verdict('!.git/x', '.git')).toMatchObject({ keep: false, lookInside: true });
  });
});

it('hostile 47: gives others their turn, and gives up on patterns that would take minutes', async () => {
  const patterns = patternsOf(`${'**/*a'.repeat(200)}b\n`.repeat(30));
  let rests = 0;
  const isKept = createPathFilter(
    patterns,
    createEffort(async () => {
      rests += 1;
    }, 5_000_000),
  );
  const paths = Array.from({ length: 100 }, (_, index) => `${'a'.repeat(200)}/${'a'.repeat(200)}${index}`);
  const all = async () => {
    for (const path of paths) await isKept(path);
  };
  await expect(all()).rejects.toMatchObject({ problem: { code: 'INVALID_ARCHIVE' } });
  expect(rests).toBeGreaterThan(2);
});

it.each([
  // Each of a class's ranges is compared, and each pattern that brings back is tried on the folder, too.
  ['classes of many ranges', `[${'b'.repeat(500)}]\n`.repeat(100), 100 * 500],
  ['folders to look into', `!${'*a'.repeat(50)}x/y\n`.repeat(20), 200_000],
])('counts what %s cost', async (_what, content, stepsMin) => {
  const counted = effort();
  await judge(patternsOf(content), 'a'.repeat(80), undefined, counted);
  expect(counted.spent.steps).toBeGreaterThanOrEqual(stepsMin);
});

it('counts patterns that have matched the folder, too', async () => {
  const patterns = patternsOf(`${'*\n'.repeat(1000)}!a/x\n`);
  const folder = await judge(patterns, 'a', undefined, effort());
  const counted = effort();
  expect((await judge(patterns, 'a/b', folder, counted)).keep).toBe(false);
  expect(folder.lookInside).toBe(true);
  expect(counted.spent.steps).toBeGreaterThanOrEqual(1000);
});
