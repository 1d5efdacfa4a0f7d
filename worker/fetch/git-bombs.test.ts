import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';

import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { systemClock } from '#common/clock.ts';
import { startGitServer, type TestGitServer } from '../../test/kit/git-server/git-server.ts';
import { isTransient } from '../failures/transient.ts';
import { fetchGit } from './fetch-git.ts';
import { runGit } from './run-git.ts';

describe('hostile 65: a small repository that unfolds to something huge', () => {
  let dir: string;
  let server: TestGitServer;

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'git-bombs-'));
    server = await startGitServer();
  });
  afterAll(async () => {
    await server.close();
    await rm(dir, { recursive: true });
  });

  /** A tree that holds the object under many names. */
  const treeOf = (repository: string, kind: 'blob' | 'tree', id: string, names: number) => {
    const mode = kind === 'blob' ? '100644' : '040000';
    const lines = Array.from({ length: names }, (_, i) => `${mode} ${kind} ${id}\tn${i}\n`).join('');
    return execFileSync('git', ['mktree'], { cwd: server.folder(repository), input: lines })
      .toString()
      .trim();
  };
  const blobOf = (repository: string, bytes: number) =>
    execFileSync('git', ['hash-object', '-w', '--stdin'], {
      cwd: server.folder(repository),
      input: Buffer.alloc(bytes),
    })
      .toString()
      .trim();
  const commitTree = async (repository: string, tree: string) => {
    const commit = (await server.git(repository, 'commit-tree', '-m', 'bomb', tree)).trim();
    await server.git(repository, 'update-ref', 'refs/heads/main', commit);
  };
  const fetch = (repository: string) =>
    fetchGit(
      { dir, allow: [server.place], clock: systemClock },
      { url: `${server.url}/${repository}`, ref: '', subdir: '' },
      AbortSignal.timeout(60_000),
    );
  const nested = (repository: string, id: string, levels: number, names: number) => {
    let tree = id;
    for (let level = 0; level < levels; level += 1) tree = treeOf(repository, 'tree', tree, names);
    return tree;
  };

  it.each<[string, (repository: string) => string, RegExp]>([
    // 90 x 90 files of 1 MiB: 7.9 GiB.
    [
      'bytes',
      (name) => nested(name, treeOf(name, 'blob', blobOf(name, 1024 * 1024), 90), 1, 90),
      /more than 200 MB of files/,
    ],
    // 100 ^ 5 files of nothing.
    [
      'files',
      (name) => nested(name, treeOf(name, 'blob', blobOf(name, 0), 100), 4, 100),
      /more than 10000 files and folders/,
    ],
    // 100 ^ 6 folders, and not one file.
    ['empty folders', (name) => nested(name, treeOf(name, 'tree', '', 0), 6, 100), /more than 10000 files and folders/],
  ])('is refused for its %s before any is written', async (what, make, message) => {
    const name = what.replace(' ', '-');
    await server.commit(name, 'main', { Dockerfile: 'FROM scratch' });
    await commitTree(name, make(name));
    await expect(fetch(name)).rejects.toMatchObject({
      problem: { code: 'ARCHIVE_TOO_LARGE', message: expect.stringMatching(message) },
    });
    expect(await readdir(dir)).toEqual([]);
  });

  it.each([
    ['submodules below a name of 1 MiB', '160000 commit', 1000],
    ['a file below it', '100644 blob', 1],
  ])('is refused for %s while git lists it', async (_what, kind, count) => {
    const name = kind.slice(0, 3);
    await server.commit(name, 'main', { Dockerfile: 'FROM scratch' });
    const mktree = (input: string) =>
      execFileSync('git', ['mktree', '--missing'], { cwd: server.folder(name), input })
        .toString()
        .trim();
    const id = kind.endsWith('blob') ? blobOf(name, 1) : '1'.repeat(40);
    const below = mktree(Array.from({ length: count }, (_, n) => `${kind} ${id}\tn${n}\n`).join(''));
    await commitTree(name, mktree(`040000 tree ${below}\t${'x'.repeat(1024 * 1024)}\n`));
    const heap = process.memoryUsage().heapUsed;
    await expect(fetch(name)).rejects.toMatchObject({
      problem: { code: 'GIT_FAILED', message: 'The repository has a path of more than 1024 characters.' },
    });
    expect(process.memoryUsage().heapUsed - heap).toBeLessThan(100 * 1024 * 1024);
    expect(await readdir(dir)).toEqual([]);
  });

  it('that is more than git may write is refused at once, and not fetched again and again', async () => {
    await server.commit('large', 'main', {
      Dockerfile: 'FROM scratch',
      noise: randomBytes(300_000).toString('latin1'),
    });
    const programs = await mkdtemp(join(dir, 'programs-'));
    const git = execFileSync('/bin/sh', ['-c', 'command -v git']).toString().trim();
    await writeFile(join(programs, 'git'), `#!/bin/sh\nulimit -f 200\nexec ${git} "$@"\n`, { mode: 0o755 });
    vi.stubEnv('PATH', `${programs}:${process.env['PATH']}`);
    const failure = await fetch('large').catch((error: unknown) => error);
    vi.unstubAllEnvs();
    await rm(programs, { recursive: true });
    expect(failure).toMatchObject({ problem: { message: 'The repository is too large.' } });
    expect(isTransient(failure)).toBe(false);
  });

  it('meets limits of memory, CPU and file size in every process of git', async () => {
    const setting = { dir, protocols: [], pinned: undefined, credentials: undefined };
    const args = ['-c', 'alias.limits=!ulimit -v; ulimit -t; ulimit -f', 'limits'];
    const { stdout } = await runGit(setting, args, AbortSignal.timeout(20_000));
    expect(stdout.trim().split('\n')).toEqual(['1048576', '60', '2097152']);
  });
});
