import { describe, expect, it } from 'vitest';
import { type IgnorePattern, parseDockerignore } from './dockerignore.ts';
import { judge, type Verdict } from './judge.ts';

function patternsOf(content: string): readonly IgnorePattern[] {
  const result = parseDockerignore(content, '.dockerignore');
  if (!result.ok) throw new Error(result.problem.message);
  return result.value;
}

/** What is kept of some files, found by a walk as the real one: it looks into a folder only if told to. */
function kept(content: string, files: readonly string[]): readonly string[] {
  const patterns = patternsOf(content);
  return files.filter((file) => {
    const steps = file.split('/');
    let verdict: Verdict | undefined;
    for (const end of steps.keys()) {
      if (verdict !== undefined && !verdict.keep && !verdict.lookInside) return false;
      verdict = judge(patterns, steps.slice(0, end + 1).join('/'), verdict);
    }
    return verdict?.keep;
  });
}

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
  ])('%j keeps %j', (content, expected) => {
    expect(kept(content, files)).toEqual(expected);
  });

  it.each<[string, string]>([
    ['docs\n!\n', 'Line 2 of .dockerignore is not a pattern.'],
    ['[', 'Line 1 of .dockerignore is not a pattern.'],
    ['\n\na\\', 'Line 3 of .dockerignore is not a pattern.'],
    ['x\n'.repeat(2001), '.dockerignore has more than 2000 patterns.'],
  ])('that begins with %j is refused', (content, message) => {
    expect(parseDockerignore(content, '.dockerignore')).toMatchObject({ ok: false, problem: { message } });
  });
});

describe('what is left out by default', () => {
  const risky = [
    '.env',
    '.git/config',
    '.venv/bin/python',
    'app/.env',
    'app/node_modules/x/i.js',
    'app/prod.env',
    'bot.py',
    'env',
    'my.env.md',
    'node_modules/x/i.js',
    'src/__pycache__/a.pyc',
  ];

  it.each<[string, readonly string[]]>([
    ['', ['bot.py', 'env', 'my.env.md']],
    ['!.env', ['.env', 'bot.py', 'env', 'my.env.md']],
    ['!**/.env', ['.env', 'app/.env', 'bot.py', 'env', 'my.env.md']],
    ['!**/*.env', ['.env', 'app/.env', 'app/prod.env', 'bot.py', 'env', 'my.env.md']],
    ['!node_modules', ['bot.py', 'env', 'my.env.md', 'node_modules/x/i.js']],
    ['!node_modules/x', ['bot.py', 'env', 'my.env.md', 'node_modules/x/i.js']],
    ['!**/node_modules/**', ['app/node_modules/x/i.js', 'bot.py', 'env', 'my.env.md', 'node_modules/x/i.js']],
    ['!.git\n!.venv', ['.git/config', '.venv/bin/python', 'bot.py', 'env', 'my.env.md']],
    // A pattern that does not say the name thinks of other files.
    ['*\n!app', []],
    ['*\n!**', ['bot.py', 'env', 'my.env.md']],
    ['!**/*.js', ['bot.py', 'env', 'my.env.md']],
    // A later pattern takes it out again.
    ['!.env\n.env', ['bot.py', 'env', 'my.env.md']],
    ['!.env\n*', []],
  ])('%j keeps %j', (content, expected) => {
    expect(kept(content, risky)).toEqual(expected);
  });

  it('is told from what a pattern leaves out', () => {
    expect(judge([], '.env', undefined)).toMatchObject({ keep: false, byDefault: true, lookInside: false });
    expect(judge(patternsOf('*'), '.env', undefined)).toMatchObject({ keep: false, byDefault: false });
    expect(judge(patternsOf('!node_modules/x'), 'node_modules', undefined)).toMatchObject({
      keep: false,
      lookInside: true,
    });
  });
});
