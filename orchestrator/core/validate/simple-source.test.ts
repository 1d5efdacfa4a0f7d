/** Simple mode as JSON requests ask for it: what is run, and what is installed. */
import { describe, expect, it } from 'vitest';
import { defaultBounds } from './bot-request.ts';
import { validateBotRequest } from './validate-bot-request.ts';

const start = { action: 'start', bot_id: 'my-bot', deployment_mode: 'simple' };

function sourceOf(data: object): unknown {
  const result = validateBotRequest({ ...start, ...data }, defaultBounds);
  if (!result.ok) {
    expect(result.problem.hint).not.toBe('');
    expect(result.problem.example).not.toBeNull();
    return `${result.problem.code}: ${result.problem.message}`;
  }
  return result.value.action === 'start' ? result.value.deployment.source : undefined;
}
const files = (...names: string[]) => Object.fromEntries(names.map((name) => [name, '']));

describe('what is run', () => {
  it.each<[string, object, object]>([
    ['the only file', { files: files('app.py') }, { entrypoint: 'app.py', command: [], language: 'python' }],
    ['a usual name', { files: files('a.py', 'main.py') }, { entrypoint: 'main.py' }],
    [
      'a package with a __main__.py',
      { files: files('mybot/__main__.py', 'mybot/__init__.py', 'README') },
      { entrypoint: '', command: ['python', '-m', 'mybot'], language: 'python' },
    ],
    [
      'a package that is named',
      { files: files('mybot/__main__.py', 'other/__main__.py'), entrypoint: 'mybot' },
      { command: ['python', '-m', 'mybot'] },
    ],
    [
      'the worker of a Procfile, as an entrypoint where it is one',
      { files: { Procfile: 'release: python x.py\nworker: python -u src/run.py\n', ...files('src/run.py', 'bot.py') } },
      { entrypoint: 'src/run.py', command: [] },
    ],
    [
      'the worker of a Procfile, as a command',
      { files: { Procfile: 'worker: python -m app --poll', ...files('app/x.py', 'bot.py') } },
      { entrypoint: '', command: ['python', '-m', 'app', '--poll'], language: 'python' },
    ],
    [
      'scripts.start',
      { files: { 'package.json': '{"scripts":{"start":"node --enable-source-maps index.js"}}', 'index.js': '' } },
      { command: ['node', '--enable-source-maps', 'index.js'], language: 'node' },
    ],
    [
      'main of a package.json',
      { files: { 'package.json': '{"main":"./lib"}', 'lib/index.js': '' } },
      { entrypoint: 'lib/index.js', language: 'node' },
    ],
    ['a command', { files: files('x.py'), command: 'python x.py --debug' }, { command: ['python', 'x.py', '--debug'] }],
    [
      'the words of a command',
      { files: files('x'), command: ['node', 'a b'] },
      { command: ['node', 'a b'], language: 'node' },
    ],
    [
      'a command with code',
      { code: 'print(1)', command: 'python -X dev bot.py' },
      { command: ['python', '-X', 'dev', 'bot.py'] },
    ],
    [
      'a command of no known program',
      { files: files('x'), command: './run', runtime: 'python' },
      { command: ['./run'], language: 'python' },
    ],
  ])('is %s', (_title, data, expected) => {
    expect(sourceOf(data)).toMatchObject(expected);
  });

  it.each<[string, object, string]>([
    ['of two packages', { files: files('a/__main__.py', 'b/__main__.py') }, 'INVALID_ENTRYPOINT: Nothing says which'],
    [
      'of a Procfile that runs a file that is not there',
      { files: { ...files('a.py', 'b.py'), Procfile: 'worker: python absent.py' } },
      'INVALID_ENTRYPOINT: Nothing says which of the files is run',
    ],
    ['of an empty command', { files: files('x.py'), command: ' ' }, 'INVALID_ENTRYPOINT: The command is empty.'],
    ['of a command that is a number', { files: files('x.py'), command: 5 }, 'INVALID_ENTRYPOINT'],
    ['of a command with a NUL', { files: files('x.py'), command: ['a\0'] }, 'INVALID_ENTRYPOINT'],
    ['of a command without end', { files: files('x.py'), command: `python ${'x'.repeat(5000)}` }, 'INVALID_ENTRYPOINT'],
    [
      'of a command in no language',
      { files: files('x'), command: './run' },
      'INVALID_ENTRYPOINT: Nothing in the command',
    ],
    ['of both', { files: files('x.py'), command: 'python x.py', entrypoint: 'x.py' }, 'CONFLICTING_FIELDS'],
  ])('is refused in the case %s', (_title, data, expected) => {
    expect(sourceOf(data)).toContain(expected);
  });
});

describe('what is installed', () => {
  const bot = { 'bot.py': '' };
  it.each<[string, object, readonly string[], readonly string[]]>([
    [
      'a requirements.txt that is a plain list',
      { files: { ...bot, 'requirements.txt': '\ufeffaiogram>=3 # x\nhttpx\n' } },
      ['aiogram>=3', 'httpx'],
      [],
    ],
    ['one of another case', { files: { ...bot, 'Requirements.txt': 'httpx' } }, ['httpx'], []],
    [
      'one with hashes, as it is',
      { files: { ...bot, 'requirements.txt': 'a==1 \\\n --hash=sha256:0' } },
      [],
      ['requirements.txt'],
    ],
    [
      'one that includes another',
      { files: { ...bot, 'requirements.txt': '-r sub/base.txt', 'sub/base.txt': '-c ../c.txt', 'c.txt': '' } },
      [],
      ['requirements.txt'],
    ],
    [
      'one with links',
      { files: { ...bot, 'requirements.txt': 'a @ https://example.org/a.zip' } },
      [],
      ['requirements.txt'],
    ],
    [
      'a pyproject.toml',
      { files: { ...bot, 'pyproject.toml': '[project]\ndependencies = ["a"]' } },
      [],
      ['pyproject.toml'],
    ],
    ['no pyproject.toml of tools', { files: { ...bot, 'pyproject.toml': '[tool.ruff]\n' } }, [], []],
    [
      'requirements/prod.txt',
      { files: { ...bot, 'requirements/dev.txt': 'x', 'requirements/prod.txt': 'y' } },
      ['y'],
      [],
    ],
    ['a setup.py', { files: { ...bot, 'setup.py': '' } }, [], ['setup.py']],
    ['what is asked for', { files: { ...bot, 'requirements.txt': 'x' }, requirements: ['y'] }, ['y'], []],
    ['nothing, if that is asked for', { files: { ...bot, 'requirements.txt': 'x' }, requirements: [] }, [], []],
    [
      'files by name',
      { files: { ...bot, 'r/a.txt': '-e .' }, requirement_files: ['r/a.txt'], requirements: ['b'] },
      ['b'],
      ['r/a.txt'],
    ],
    [
      'a lock file',
      { files: { 'bot.js': '', 'package.json': '{"dependencies":{"a":"1"}}', 'package-lock.json': '{}' } },
      [],
      ['package.json', 'package-lock.json'],
    ],
    ['a plain package.json', { files: { 'bot.js': '', 'package.json': '{"dependencies":{"a":"^1"}}' } }, ['a@^1'], []],
    [
      'one with links',
      { files: { 'bot.js': '', 'package.json': '{"dependencies":{"a":"github:b/c"}}' } },
      [],
      ['package.json'],
    ],
  ])('is %s', (_title, data, requirements, requirementFiles) => {
    expect(sourceOf(data)).toMatchObject({ requirements, requirementFiles });
  });

  it.each<[string, object, string]>([
    [
      'an included file that is absent',
      { files: { ...bot, 'requirements.txt': 'a\n-r base.txt' } },
      'requirements.txt, line 2, includes base.txt',
    ],
    ['an included file outside', { files: { ...bot, 'requirements.txt': '-r /etc/passwd' } }, 'includes /etc/passwd'],
    ['a cycle', { files: { ...bot, 'requirements.txt': '-r requirements.txt' } }, 'includes its own file'],
    ['a named file that is absent', { files: bot, requirement_files: ['x.txt'] }, '"x.txt" is not one of the bot'],
    ['a named file with code', { code: 'x', requirement_files: ['x.txt'] }, '"x.txt" is not one of the bot'],
    ['a path that climbs', { files: bot, requirement_files: ['../x.txt'] }, 'INVALID_FILE_PATH'],
    ['a name that is no list', { files: bot, requirement_files: 'x.txt' }, '"requirement_files" is not a list'],
    ['too many', { files: bot, requirement_files: Array.from({ length: 21 }, (_, n) => `${n}.txt`) }, 'at most 20'],
    [
      'both for Node.js',
      { files: { 'bot.js': '', 'package.json': '{}' }, requirement_files: ['package.json'], requirements: ['a'] },
      'one package.json',
    ],
    [
      'a link in the list',
      { files: bot, requirements: ['a @ https://example.org/a.zip'] },
      'is not a plain requirement',
    ],
  ])('is refused in the case of %s', (_title, data, expected) => {
    expect(sourceOf(data)).toContain(expected);
  });
});
