/** What start and update leave out of a folder, and what is said of it. */
import { describe, expect, it } from 'vitest';
import { FakeOrchestrator } from '../testing/fake-orchestrator.ts';
import { filesIn, start } from '../testing/started.ts';
import { tempFolder } from '../testing/temp-folder.ts';

describe('what --simple leaves out', () => {
  const folder = {
    'bot.py': 'from config import TOKEN\nfrom dotenv import load_dotenv\nload_dotenv()\nopen("data/users.db")\n',
    'config.py': 'TOKEN = 1\n',
    'data/users.db': 'x',
    'notes.txt': 'x',
    '.env': 'BOT_TOKEN=canary',
    '.gitignore': 'config.py\ndata/\nnotes.txt\nvenv/\n',
    'venv/pyvenv.cfg': '',
    'venv/lib/x.py': '',
  };

  it('is one line, and what the code needs of it another', async () => {
    const { exitCode, stderr, artifact } = await start(['--simple', '.'], { cwd: await tempFolder(folder) });
    expect({ exitCode, stderr }).toEqual({
      exitCode: 0,
      stderr: [
        'Left out: config.py (.gitignore), data/ (.gitignore), notes.txt (.gitignore), .env, venv/ (a virtual environment). ' +
          '--include PATH sends one anyway',
        'bot.py reads .env, which is left out: give its variables with --env-file .env, or send it with --include .env',
        'The code mentions files that are left out: data (in bot.py), config.py (in bot.py)',
        'Runs bot.py; --entrypoint or --command runs something else',
        'Uploading 1 file (92 B)',
        '',
      ].join('\n'),
    });
    expect(Object.keys(await filesIn(artifact))).toEqual(['bot.py']);
  });

  it('goes along with --include; --env-file is as good for the .env', async () => {
    const words = ['--simple', '.', '--include', 'config.py', '--include', 'data', '--env-file', '.env'];
    const { stderr, artifact } = await start(words, { cwd: await tempFolder(folder) });
    expect(stderr).not.toMatch(/reads|names what/);
    expect(Object.keys(await filesIn(artifact))).toEqual(['bot.py', 'config.py', 'data/users.db']);
    const custom = await start(['--image', 'x', '--include', 'a']);
    expect(custom).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining('--include does not work with --image.'),
    });
  });

  const withFormer = () => {
    const orchestrator = new FakeOrchestrator();
    orchestrator.addBot({ botId: 'b' });
    orchestrator.sentBefore = ['data'];
    return orchestrator;
  };

  it('is refused without a terminal when the bot has it, and taken with --yes', async () => {
    const cwd = await tempFolder(folder);
    const refused = await start(['--simple', '.'], { cwd, orchestrator: withFormer() });
    expect(refused).toMatchObject({ exitCode: 2, artifact: undefined });
    expect(refused.stderr).toContain('b got data with its last upload; this one leaves it out. Add --include data');
    expect(refused.orchestrator.starts).toEqual([]);
    expect(await start(['--simple', '.', '--yes'], { cwd, orchestrator: withFormer() })).toMatchObject({ exitCode: 0 });
    expect(await start(['--simple', '.', '--include', 'data'], { cwd, orchestrator: withFormer() })).toMatchObject({
      exitCode: 0,
    });
  });

  it('is asked about on a terminal when the bot has it', async () => {
    const cwd = await tempFolder(folder);
    const no = await start(['--simple', '.'], { cwd, orchestrator: withFormer(), terminal: true, stdin: 'n\n' });
    expect(no).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('Nothing was changed.'),
      artifact: undefined,
    });
    expect(
      await start(['--simple', '.'], { cwd, orchestrator: withFormer(), terminal: true, stdin: 'y\n' }),
    ).toMatchObject({
      exitCode: 0,
    });
  });

  it('is no pointer of Git LFS: such a file is refused with its path', async () => {
    const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${'0'.repeat(64)}\nsize 5\n`;
    const cwd = await tempFolder({ 'bot.py': '', 'model/a.bin': pointer });
    const { exitCode, stderr, orchestrator } = await start(['--simple', '.'], { cwd });
    expect({ exitCode, calls: orchestrator.calls }).toEqual({ exitCode: 1, calls: [] });
    expect(stderr).toContain('model/a.bin is a Git LFS pointer, not the file itself.');
  });
});
