/** How a Dockerfile is built, from the command line to what the orchestrator gets. */
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { filesIn, start } from '../testing/started.ts';
import { tempFolder } from '../testing/temp-folder.ts';

const options = ['--build-arg', 'A=1', '--build-arg=B=x y', '--target', 'prod', '--dockerfile', './docker/prod'];
const value = { buildArgs: { A: '1', B: 'x y' }, target: 'prod', dockerfile: 'docker/prod' };

describe('--build-arg, --target and --dockerfile', () => {
  it('go along with a folder, whose other Dockerfile is sent whatever is ignored', async () => {
    const cwd = await tempFolder({
      'docker/prod': 'FROM scratch',
      'docker/prod.dockerignore': 'docker\nsecret',
      '.dockerignore': 'kept',
      secret: '',
      kept: '',
    });
    const { exitCode, source, artifact } = await start(['--custom', '.', ...options], { cwd });
    expect(exitCode).toBe(0);
    expect(source).toMatchObject({ case: 'custom', value });
    expect(Object.keys(await filesIn(gunzipSync(artifact ?? Buffer.alloc(0)))).toSorted()).toEqual([
      '.dockerignore',
      'docker/prod',
      'docker/prod.dockerignore',
      'kept',
    ]);
  });

  it('go along with a repository and the URL of an archive', async () => {
    for (const words of [
      ['--git', 'https://example.com/me/bot.git'],
      ['--custom', 'https://example.com/bot.tar.gz'],
    ]) {
      expect((await start([...words, ...options])).source).toMatchObject({ case: 'custom', value });
    }
  });

  it.each<[string[], RegExp]>([
    [['--custom', '.', '--dockerfile', 'nowhere'], /nowhere is missing\.\s.*--dockerfile/],
    [['--custom', '.', '--build-arg', 'A'], /--build-arg number 1 has no "="/],
    [['--code', 'print(1)', '--build-arg', 'A=1'], /--build-arg does not work with --code/],
    [['--image', 'a:1', '--target', 'x'], /--target does not work with --image/],
    [['--simple', 'bot.py', '--dockerfile', 'x'], /--dockerfile does not work with --simple/],
  ])('%j is refused before anything is sent', async (words, message) => {
    const cwd = await tempFolder({ Dockerfile: 'FROM scratch', 'bot.py': '' });
    const { exitCode, stderr, orchestrator } = await start(words, { cwd });
    expect(exitCode).not.toBe(0);
    expect(stderr).toMatch(message);
    expect(orchestrator.calls).toEqual([]);
  });
});
