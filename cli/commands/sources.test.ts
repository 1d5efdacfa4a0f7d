/** The sources of start, from the command line to what the orchestrator gets. Update takes the same. */
import { mkdir, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { BotLanguage } from '#gen/botrunner/v1/bot_pb.js';
import { FakeOrchestrator, refusal } from '../testing/fake-orchestrator.ts';
import type { RunOptions } from '../testing/run-cli.ts';
import { filesIn, start } from '../testing/started.ts';
import { tempFolder } from '../testing/temp-folder.ts';

describe('--code', () => {
  it.each<[string[], string, BotLanguage]>([
    [['--code', 'print(1)'], 'bot.py', BotLanguage.UNSPECIFIED],
    [['--inline', '--code', 'print(1)'], 'bot.py', BotLanguage.UNSPECIFIED],
    // As in the manual of the original system, where it did not work.
    [['--simple', '--inline', '--code', 'print(1)'], 'bot.py', BotLanguage.UNSPECIFIED],
    [['--code', 'print(1)', '--runtime', 'node'], 'bot.mjs', BotLanguage.NODE],
    [['--code', 'print(1)', '--entrypoint', 'src/app.py'], 'src/app.py', BotLanguage.UNSPECIFIED],
  ])('%j is a bot of one file', async (words, entrypoint, language) => {
    const { exitCode, source, artifact, stderr } = await start([...words, '-r', 'a>=1,<2']);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: 'Uploading 1 file (8 B)\n' });
    expect(source).toMatchObject({ case: 'simple', value: { entrypoint, language, requirements: ['a>=1,<2'] } });
    expect(await filesIn(artifact)).toEqual({ [entrypoint]: 'print(1)' });
  });

  it('that does not fit the runtime is refused', async () => {
    const { exitCode, stderr, orchestrator } = await start([
      '--code',
      'x',
      '--runtime',
      'node',
      '--entrypoint',
      'b.py',
    ]);
    expect(exitCode).toBe(2);
    expect(stderr).toContain('The entrypoint b.py does not match --runtime node.');
    expect(orchestrator.calls).toEqual([]);
  });
});

describe('--simple', () => {
  it('sends the server the runtime only when it was given, and chooses the entrypoint by it', async () => {
    const cwd = await tempFolder({
      'bot.py': '',
      'index.js': '',
      'package.json': '{"dependencies":{"grammy":"^1.30"}}',
    });
    const node = await start(['--simple', '.', '--runtime', 'node'], { cwd });
    expect(node.source).toMatchObject({
      value: { entrypoint: 'index.js', language: BotLanguage.NODE, requirements: ['grammy@^1.30'] },
    });
    expect(node.stderr).toBe(
      'Runs index.js; --entrypoint or --command runs something else\nPackages from package.json: grammy@^1.30\nUploading 3 files (35 B)\n',
    );
    const any = await start(['--simple', '.'], { cwd });
    expect(any.source).toMatchObject({ value: { entrypoint: 'bot.py', language: BotLanguage.UNSPECIFIED } });
  });

  it('refuses the empty folder of a submodule, unless it is left out', async () => {
    const cwd = await tempFolder({
      'b/bot.py': '',
      'b/.gitmodules': '[submodule "shared"]\n\tpath = libs/shared\n\turl = https://host/shared.git\n',
    });
    await mkdir(join(cwd, 'b/libs/shared'), { recursive: true });
    await mkdir(join(cwd, 'b/other'));
    for (const names of [['b'], ['b', 'b/bot.py']]) {
      const { exitCode, stderr } = await start(['--simple', ...names], { cwd });
      expect({ exitCode, stderr }).toEqual({
        exitCode: 1,
        stderr: expect.stringContaining('b/libs/shared is a submodule that has not been fetched: its folder is empty.'),
      });
    }
    await writeFile(join(cwd, 'b/.dockerignore'), 'libs\n');
    expect(await start(['--simple', 'b'], { cwd })).toMatchObject({ exitCode: 0 });
  });

  it('says that a Dockerfile means nothing to it', async () => {
    const cwd = await tempFolder({ 'bot.py': '', Dockerfile: 'FROM scratch' });
    const { stderr, source } = await start(['--simple', '.'], { cwd });
    expect(stderr).toContain('The Dockerfile is not used with --simple; use --custom to build it\n');
    expect(source).toMatchObject({ case: 'simple' });
  });
});

describe('--custom DIR', () => {
  it('refuses the empty folder of a submodule, unless it is left out', async () => {
    const files = {
      'b/Dockerfile': 'FROM x',
      'b/.gitmodules': '[submodule "shared"]\n\tpath = libs/shared\n\turl = https://host/shared.git\n',
    };
    const cwd = await tempFolder(files);
    await mkdir(join(cwd, 'b/libs/shared'), { recursive: true });
    const { exitCode, stderr } = await start(['--custom', 'b'], { cwd });
    expect({ exitCode, stderr }).toEqual({
      exitCode: 1,
      stderr: expect.stringContaining('b/libs/shared is a submodule that has not been fetched: its folder is empty.'),
    });
    await writeFile(join(cwd, 'b/.dockerignore'), 'libs\n');
    expect(await start(['--custom', 'b'], { cwd })).toMatchObject({ exitCode: 0 });
  });

  it('names a virtual environment of any name that goes to the build', async () => {
    const cwd = await tempFolder({
      'b/Dockerfile': 'FROM x',
      'b/env/pyvenv.cfg': '',
      'b/env/lib/a.py': '',
      'b/envs.py': '',
    });
    const { stderr } = await start(['--custom', 'b'], { cwd });
    expect(stderr).toContain('Sent to the build: env. List in .dockerignore what the image does not need\n');
  });

  it('goes out as a gzipped tar, after its size and what is left out are shown', async () => {
    const cwd = await tempFolder({
      'my_bot/Dockerfile': 'FROM python:3.11-slim\n',
      'my_bot/.dockerignore': '*.md\n!README.md\n',
      'my_bot/README.md': 'read me',
      'my_bot/notes.md': 'secret',
      'my_bot/src/bot.py': 'print(1)\n',
      'my_bot/.env': 'BOT_TOKEN=canary',
      'my_bot/.git/config': '',
    });
    await symlink('src/bot.py', join(cwd, 'my_bot/main.py'));
    await symlink('/etc/passwd', join(cwd, 'my_bot/passwd'));
    const { exitCode, stderr, source, artifact, orchestrator } = await start(['--custom', 'my_bot/', '-v'], { cwd });
    expect({ exitCode, stderr }).toEqual({
      exitCode: 0,
      stderr: [
        'Left out by default: .git. A "!" line with its name in .dockerignore includes it',
        'Sent to the build: .env. List in .dockerignore what the image does not need',
        'Left out because of their name or permissions, or because they are special files or links out of the folder: passwd',
        'Uploading 6 files (70 B) of my_bot/ as a gzipped tar',
        '  .dockerignore',
        '  .env',
        '  Dockerfile',
        '  README.md',
        '  main.py',
        '  src/bot.py',
        '',
      ].join('\n'),
    });
    expect(source).toMatchObject({
      case: 'custom',
      value: { from: { case: 'artifactSha256', value: [...orchestrator.artifacts.keys()][0] } },
    });
    expect(await filesIn(gunzipSync(artifact ?? Buffer.alloc(0)))).toEqual({
      '.dockerignore': '*.md\n!README.md\n',
      '.env': 'BOT_TOKEN=canary',
      Dockerfile: 'FROM python:3.11-slim\n',
      'README.md': 'read me',
      'main.py': 'src/bot.py',
      'src/bot.py': 'print(1)\n',
    });
  });

  it('that is a link is followed', async () => {
    const cwd = await tempFolder({ 'v1/Dockerfile': 'FROM scratch' });
    await symlink('v1', join(cwd, 'current'));
    expect(await start(['--custom', 'current'], { cwd })).toMatchObject({ exitCode: 0 });
  });

  it.each<[string, Record<string, string>, string]>([
    [
      '.',
      { 'bot.py': '' },
      'Error INVALID_ARCHIVE: Dockerfile is missing. Add one, or use --simple if the files need none.',
    ],
    ['d', { 'd/Dockerfile/x': '' }, 'd/Dockerfile is not a plain file. Add one, or'],
    ['d', { 'd/Dockerfile': '', 'd/.dockerignore': 'x\n[' }, 'Line 2 of d/.dockerignore is not a pattern.'],
    ['d', { 'd/Dockerfile': '', 'd/.dockerignore/x': '' }, 'd/.dockerignore is a folder.'],
    ['nope', {}, 'There is no file or folder nope.'],
    ['bot.py', { 'bot.py': '' }, 'bot.py is neither a folder nor a .tar, .tar.gz or .tgz file.'],
    ['bot.zip', { 'bot.zip': '' }, 'bot.zip is neither a folder nor a .tar, .tar.gz or .tgz file.'],
  ])('%s of %j is refused before anything is sent', async (path, files, message) => {
    const { exitCode, stdout, stderr, orchestrator } = await start(['--custom', path], {
      cwd: await tempFolder(files),
    });
    expect({ exitCode, stdout, calls: orchestrator.calls }).toEqual({ exitCode: 1, stdout: '', calls: [] });
    expect(stderr).toContain(message);
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
  });
});

describe('--custom FILE', () => {
  it.each(['bot.tar', 'bot.tar.gz', 'bot.tgz', 'BOT.TGZ'])('%s goes out as it is', async (name) => {
    const content = Buffer.from(Array.from({ length: 700_000 }, (_, index) => (index * 7) % 251));
    const { exitCode, stderr, source, artifact } = await start(['--custom', name], {
      cwd: await tempFolder({ [name]: content }),
    });
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: `Uploading ${name} (700 kB)\n` });
    expect(artifact?.equals(content)).toBe(true);
    expect(source).toMatchObject({ case: 'custom', value: { from: { case: 'artifactSha256' } } });
  });

  it('of more than 200 MB is refused before it is read', async () => {
    const cwd = await tempFolder({ 'bot.tar': '' });
    await truncate(join(cwd, 'bot.tar'), 200_000_001);
    const { exitCode, stderr, orchestrator } = await start(['--custom', 'bot.tar'], { cwd });
    expect(exitCode).toBe(1);
    expect(stderr).toContain('Error ARCHIVE_TOO_LARGE: bot.tar has 201 MB; at most 200 MB are allowed.');
    expect(orchestrator.calls).toEqual([]);
  });
});

describe('a URL', () => {
  it.each<[string[], unknown, string]>([
    [
      ['--git', 'https://github.com/user/telegram-bot.git', '--branch', 'main', '--subdir', 'bots/'],
      { case: 'git', value: { url: 'https://github.com/user/telegram-bot.git', ref: 'main', subdir: 'bots' } },
      '',
    ],
    [
      ['--custom', 'https://github.com/user/telegram-bot'],
      { case: 'git', value: { url: 'https://github.com/user/telegram-bot', ref: '' } },
      'Treated as a git repository: the worker clones it\n',
    ],
    [
      ['--custom', 'https://x.example/bot.tar.gz'],
      { case: 'archiveUrl', value: 'https://x.example/bot.tar.gz' },
      'Treated as an archive: the worker downloads it\n',
    ],
  ])('%j is fetched by the worker: nothing is uploaded', async (words, from, stderr) => {
    const started = await start(words);
    expect(started).toMatchObject({ exitCode: 0, stderr, source: { case: 'custom', value: { from } } });
    expect(started.orchestrator.calls).toEqual(['startBot']);
  });

  it('with user and token sends them apart, and says so without them', async () => {
    const { stdout, stderr, source } = await start(['--git', 'https://user:canary@host.example/x.git', '-v']);
    expect(source).toMatchObject({
      value: {
        from: {
          case: 'git',
          value: { url: 'https://host.example/x.git', credentials: { username: 'user', password: 'canary' } },
        },
      },
    });
    expect(stderr).toBe('User and password are removed from the git URL and sent as a secret\n');
    expect(stdout + stderr).not.toContain('canary');
  });
});

describe('--image', () => {
  it('is named, with or without a pull', async () => {
    const plain = await start(['--image', 'python:3.11-slim']);
    expect(plain).toMatchObject({
      exitCode: 0,
      stderr: '',
      source: { case: 'image', value: { image: 'python:3.11-slim', pull: false } },
    });
    expect(plain.orchestrator.starts[0]?.spec?.source).not.toMatchObject({ value: { credentials: {} } });
    expect((await start(['--image', 'x', '--pull'])).source).toMatchObject({ value: { pull: true } });
  });

  it.each<[string[], string | undefined]>([
    [['--registry-user', 'me', '--registry-pass', ' can ary '], undefined],
    [['--registry-user', 'me', '--registry-pass-stdin'], ' can ary \n'],
    [['--registry-user', 'me', '--registry-pass-stdin'], ' can ary '],
    [['--registry-user', 'me', '--registry-pass-stdin'], ' can ary \r\n'],
  ])('takes its password from %j', async (words, stdin) => {
    const image = 'registry.example:5000/bot:1@sha256:abc';
    const { source, stdout, stderr } = await start(
      ['--image', image, ...words, '-v'],
      stdin === undefined ? {} : { stdin },
    );
    expect(source).toMatchObject({ value: { image, credentials: { username: 'me', password: ' can ary ' } } });
    expect(stdout + stderr).not.toContain('can ary');
  });

  it.each<[string[], RunOptions, string]>([
    [['--image', 'me:canary@registry.example/x'], {}, 'An image reference contains no "://" and no password.'],
    [['--image', 'https://registry.example/canary'], {}, 'An image reference contains no "://" and no password.'],
    [['--image', 'x', '--registry-user', 'me', '--registry-pass', ''], {}, 'the password of the registry is empty.'],
    [['--image', 'x', '--registry-user', 'me', '--registry-pass-stdin'], {}, 'the password of the registry is empty.'],
    [['--image', 'x', '--registry-user', 'me', '--registry-pass-stdin'], { terminal: true }, 'Pipe the password in'],
  ])('%j is refused without showing a secret', async (words, options, message) => {
    const { exitCode, stderr, orchestrator } = await start(words, options);
    expect({ exitCode, calls: orchestrator.calls }).toEqual({ exitCode: 2, calls: [] });
    expect(stderr).toContain(message);
    expect(stderr).not.toContain('canary');
  });
});

describe('an option that does not fit its source', () => {
  it.each<[string[], string]>([
    [['--git', 'https://h/x.git', '--entrypoint', 'bot.py'], '--entrypoint does not work with --git.'],
    [['--custom', '.', '-r', 'requirements.txt'], '-r does not work with --custom.'],
    [['--simple', '.', '--pull'], '--pull does not work with --simple.'],
  ])('%j is a usage error that says so', async (words, message) => {
    const { exitCode, stdout, stderr, orchestrator } = await start(words);
    expect({ exitCode, stdout, calls: orchestrator.calls }).toEqual({ exitCode: 2, stdout: '', calls: [] });
    expect(stderr).toMatch(/^Error: [^\n]*\n$/);
    expect(stderr).toContain(message);
  });
});

describe('beside the source', () => {
  it('limits, environment and takeover go along', async () => {
    const cwd = await tempFolder({ 'bot.env': '# mine\nBOT_TOKEN="1:a"\nA=1\n' });
    const words = [
      '--code',
      'x',
      '--memory',
      '256m',
      '--cpus',
      '0.5',
      '--env-file',
      'bot.env',
      '-e',
      'A=2',
      '--takeover',
    ];
    const { orchestrator } = await start(words, { cwd });
    expect(orchestrator.starts[0]).toMatchObject({
      takeover: true,
      spec: { env: { BOT_TOKEN: '1:a', A: '2' }, limits: { memoryBytes: 268_435_456n, cpuMillis: 500 } },
    });
    const plain = await start(['--code', 'x']);
    expect(plain.orchestrator.starts[0]).toMatchObject({ takeover: false, spec: { env: {} } });
    expect(plain.orchestrator.starts[0]?.spec?.limits).toBeUndefined();
  });

  it('a bad limit and a bad line are reported with their cure before anything is sent', async () => {
    const limit = await start(['--code', 'x', '--memory', '256']);
    expect(limit).toMatchObject({
      exitCode: 2,
      stderr:
        'Error INVALID_RESOURCE_LIMITS: --memory takes a number with a unit. For example --memory 256m or --memory 1g.\n',
    });
    const cwd = await tempFolder({ 'bot.env': 'A=1\ncanary\n' });
    const line = await start(['--code', 'x', '--env-file', 'bot.env'], { cwd });
    expect(line).toMatchObject({ exitCode: 1 });
    expect(line.stderr).toMatch(/^Error INVALID_ENV_VARS: Line 2 of bot\.env is not NAME=VALUE\. /);
    expect([...limit.orchestrator.calls, ...line.orchestrator.calls]).toEqual([]);
  });

  it('a refusal shows a command as its example, in text and in JSON', async () => {
    const example = { blueprint: 'bot_runner', data: { action: 'start' } };
    const run = (json: string[]) => {
      const orchestrator = new FakeOrchestrator();
      orchestrator.failNext('startBot', refusal('INVALID_IMAGE_NAME', 'The image is not one.', { example }));
      return start(['--image', 'X', ...json], { orchestrator });
    };
    const command = 'avtomatika-bot start b --image ghcr.io/user/bot:1.0';
    expect((await run([])).stderr).toContain(`\n  Example: ${command}\n`);
    expect(JSON.parse((await run(['--json'])).stderr)).toMatchObject({ error: { example: command } });
  });
});
