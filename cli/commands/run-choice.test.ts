/** What start runs of a folder, what it says about that, and how to run something else. */
import { Code, ConnectError } from '@connectrpc/connect';
import { describe, expect, it } from 'vitest';
import { BotLanguage } from '#gen/botrunner/v1/bot_pb.js';
import { FakeOrchestrator } from '../testing/fake-orchestrator.ts';
import { runCli } from '../testing/run-cli.ts';
import { tempFolder } from '../testing/temp-folder.ts';

type Disk = Readonly<Record<string, string>>;

async function start(disk: Disk, words: readonly string[] = ['--simple', '.'], orchestrator = new FakeOrchestrator()) {
  const cwd = await tempFolder(disk);
  const told = await runCli(['start', 'b', '--no-wait', '-v', ...words], { cwd, orchestrator });
  const { source } = orchestrator.starts[0]?.spec ?? {};
  return { ...told, simple: source?.case === 'simple' ? source.value : undefined };
}

const other = '; --entrypoint or --command runs something else';

describe('of a folder', () => {
  it.each<[string, Disk, object, string]>([
    [
      'with a package, it runs the package',
      { 'mybot/__main__.py': 'from .x import y', 'mybot/x.py': '' },
      { command: ['python', '-m', 'mybot'], entrypoint: '', language: BotLanguage.PYTHON },
      `Runs python -m mybot (the package has a __main__.py)${other}`,
    ],
    [
      'with a package in src, it runs that',
      { 'src/mybot/__main__.py': '', 'src/mybot/__init__.py': '', 'setup.cfg': '' },
      { command: ['env', 'PYTHONPATH=src', 'python', '-m', 'mybot'] },
      `Runs env PYTHONPATH=src python -m mybot (the package has a __main__.py)${other}`,
    ],
    [
      'with a __main__.py that is no package, it runs the file',
      { '__main__.py': 'import x', 'x.py': '' },
      { entrypoint: '__main__.py', command: [] },
      `Runs __main__.py${other}`,
    ],
    [
      'with a Procfile, it runs its worker',
      { Procfile: 'web: gunicorn app:app\nworker: python bot.py --poll\n', 'bot.py': '' },
      { command: ['python', 'bot.py', '--poll'], language: BotLanguage.PYTHON },
      `Runs python bot.py --poll (worker of the Procfile; not web)${other}`,
    ],
    [
      'with a Procfile that only runs a file, it runs the file, as ever',
      { Procfile: 'bot: python3 app/run.py\r\n', 'app/run.py': '' },
      { entrypoint: 'app/run.py', command: [], language: BotLanguage.UNSPECIFIED },
      `Runs app/run.py (bot of the Procfile)${other}`,
    ],
    [
      'with a Procfile for the shell, it hands it to one that gives way',
      { Procfile: 'web: uvicorn app:app --port $PORT\n', 'app.py': '' },
      { command: ['/bin/sh', '-c', 'exec uvicorn app:app --port $PORT'], language: BotLanguage.PYTHON },
      `Runs uvicorn app:app --port $PORT (web of the Procfile)${other}`,
    ],
    [
      'with a start script, it runs that',
      { 'package.json': '{"scripts":{"start":"node --env-file=x src/bot.js"}}', 'src/bot.js': '', 'index.js': '' },
      { command: ['node', '--env-file=x', 'src/bot.js'], language: BotLanguage.NODE },
      `Runs node --env-file=x src/bot.js (scripts.start of package.json)${other}`,
    ],
    [
      'with a start script that runs one file, it runs the file',
      { 'package.json': '{"scripts":{"start":"node src/bot.js"}}', 'src/bot.js': '', 'index.js': '' },
      { entrypoint: 'src/bot.js', command: [] },
      `Runs src/bot.js (scripts.start of package.json)${other}`,
    ],
    [
      'with a start script for developers, it runs the usual file',
      { 'package.json': '{"scripts":{"start":"nodemon bot.js"},"devDependencies":{"nodemon":"3"}}', 'bot.js': '' },
      { entrypoint: 'bot.js' },
      'scripts.start of package.json needs nodemon, which is one of the devDependencies and is not installed: bot.js is run',
    ],
    [
      'with main of a package.json, it runs that',
      { 'package.json': '{"main":"lib/app"}', 'lib/app.js': '' },
      { entrypoint: 'lib/app.js' },
      `Runs lib/app.js (main of package.json)${other}`,
    ],
    [
      'with a bot in Python, it does not care for a package.json',
      { 'package.json': '{"scripts":{"start":"node x.js"}}', 'x.js': '', 'bot.py': '' },
      { entrypoint: 'bot.py' },
      `Runs bot.py${other}`,
    ],
  ])('%s', async (_title, disk, expected, line) => {
    const { exitCode, stderr, simple } = await start(disk);
    expect({ exitCode, stderr }).toMatchObject({ exitCode: 0, stderr: expect.stringContaining(`${line}\n`) });
    expect(simple).toMatchObject(expected);
  });

  it('that is a package itself, it sends the package under its name', async () => {
    const disk = {
      'my_bot/__main__.py': 'from .x import y',
      'my_bot/x.py': '',
      'my_bot/requirements.txt': '-r b.txt',
      'my_bot/b.txt': 'a',
    };
    const { stderr, simple } = await start(disk, ['--simple', 'my_bot']);
    expect(stderr).toContain('Runs python -m my_bot (the package has a __main__.py)');
    expect(stderr).toContain('  my_bot/__main__.py\n');
    expect(simple).toMatchObject({
      command: ['python', '-m', 'my_bot'],
      requirementFiles: ['my_bot/requirements.txt'],
    });
  });

  it.each<[string, Disk, string]>([
    [
      'names the packages',
      { 'a/__main__.py': '', 'b/__main__.py': '' },
      'Give --entrypoint NAME with one of: a, b, a/__main__.py, b/__main__.py.',
    ],
    [
      'names what has to be built',
      { 'package.json': '{"scripts":{"start":"node dist/x.js"}}' },
      'scripts.start of package.json runs dist/x.js, which is not one of the files.',
    ],
    [
      'names the file that the Procfile runs',
      { Procfile: 'worker: python absent.py\n', 'run_it.py': '', 'x.py': '' },
      'worker of the Procfile runs absent.py, which is not one of the files.',
    ],
    [
      'says what the Procfile lacks',
      { Procfile: 'release: ./migrate\n', 'run.py': '' },
      'The Procfile has no worker, bot or web line, but release: it is not used. ' +
        'Add a line such as "worker: python app.py" to it, or give --entrypoint FILE or --command TEXT.',
    ],
  ])('with nothing to choose, it %s', async (_title, disk, message) => {
    const { exitCode, stderr } = await start(disk);
    expect(exitCode).toBe(1);
    expect(stderr).toContain('Error INVALID_ENTRYPOINT');
    expect(stderr).toContain(message);
  });
});

it('a package.json that is not JSON is named, and not the lack of an entrypoint', async () => {
  const { stderr } = await start({ 'package.json': '{"name":"b",}', 'src/app.js': '', 'src/x.js': '' });
  expect(stderr).toContain('package.json is not JSON.');
});

it('a Procfile that says nothing is named', async () => {
  const { stderr, simple } = await start({ Procfile: 'python bot.py\n', 'bot.py': '' });
  expect(stderr).toContain('The Procfile has no line such as "worker: python bot.py": it is not used\n');
  expect(simple).toMatchObject({ entrypoint: 'bot.py' });
});

describe('something else', () => {
  const disk = { 'bot.py': '', 'mybot/__main__.py': '', 'mybot/__init__.py': '' };

  it.each<[string[], object]>([
    [['--entrypoint', 'mybot'], { command: ['python', '-m', 'mybot'], entrypoint: '' }],
    [['--entrypoint', './mybot/'], { command: ['python', '-m', 'mybot'] }],
    [['--command', 'python -m mybot --poll "a b"'], { command: ['python', '-m', 'mybot', '--poll', 'a b'] }],
    [['--command', 'A=1 python bot.py && echo'], { command: ['/bin/sh', '-c', 'A=1 python bot.py && echo'] }],
    [['--command', './run.sh'], { command: ['./run.sh'], language: BotLanguage.PYTHON }],
    [['--command', './run.sh', '--runtime', 'node'], { command: ['./run.sh'], language: BotLanguage.NODE }],
  ])('is run by %j', async (words, expected) => {
    const { exitCode, simple, stderr } = await start(disk, ['--simple', '.', ...words]);
    expect({ exitCode, isChosen: stderr.includes('Runs ') }).toEqual({ exitCode: 0, isChosen: false });
    expect(simple).toMatchObject(expected);
  });

  it('is run with the code itself', async () => {
    const { simple } = await start({}, ['--code', 'print(1)', '--command', 'python -X dev bot.py']);
    expect(simple).toMatchObject({ command: ['python', '-X', 'dev', 'bot.py'], entrypoint: '' });
  });

  it.each<[string[], string]>([
    [['--simple', '.', '--command', 'x', '--entrypoint', 'bot.py'], '--entrypoint and --command are both given.'],
    [['--simple', '.', '--command', ' '], 'The command is empty.'],
    [['--image', 'x:1', '--command', 'x'], '--command does not work with --image.'],
  ])('%j is refused', async (words, message) => {
    const { exitCode, stderr } = await start(disk, words);
    expect(exitCode).not.toBe(0);
    expect(stderr).toContain(message);
  });
});

it.each<[string, Disk, string]>([
  ['run a command', { 'a/__main__.py': '' }, 'The orchestrator is too old to run a command: python -m a'],
  [
    'install from files',
    { 'bot.py': '', 'requirements.txt': '-e .' },
    'The orchestrator is too old to install from requirements.txt.',
  ],
])('an orchestrator that cannot %s is not sent anything', async (_what, disk, message) => {
  const orchestrator = new FakeOrchestrator();
  orchestrator.failNext('checkDeploy', new ConnectError('HTTP 404', Code.Unimplemented));
  const { exitCode, stderr } = await start(disk, ['--simple', '.'], orchestrator);
  expect(exitCode).toBe(1);
  expect(stderr).toContain(message);
  expect(orchestrator.calls).toEqual(['checkDeploy']);
});
