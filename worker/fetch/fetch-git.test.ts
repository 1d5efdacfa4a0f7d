import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '#common/clock.ts';
import { ProblemError } from '#common/problem.ts';
import { readContextTar } from '#common/safe-tar.ts';
import { Secret } from '#common/secret.ts';
import { startGitServer, type TestGitServer } from '../../test/kit/git-server/git-server.ts';
import { mountSmallDisk } from '../../test/kit/small-disk.ts';
import { isTransient } from '../failures/transient.ts';
import { fetchGit, type GitRequest } from './fetch-git.ts';
import type { FetchParts } from './fetched.ts';

describe('a git repository as a source', () => {
  const credentials = { username: 'ann', password: 'tok-canary-en' };
  let dir: string;
  let open: TestGitServer;
  let locked: TestGitServer;
  let parts: FetchParts;
  let first: string;

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'fetch-git-'));
    [open, locked] = await Promise.all([startGitServer(), startGitServer({ credentials })]);
    parts = { dir, allow: [open.place, locked.place], clock: systemClock };
    first = await open.commit('bot', 'trunk', {
      Dockerfile: 'FROM scratch',
      'sub/Dockerfile': 'FROM sub',
      'sub/link': '-> ../../../etc/passwd',
      '.gitattributes': 'Dockerfile export-ignore\n',
    });
    await open.git('bot', 'tag', 'v1');
    await open.git('bot', 'checkout', '--quiet', '-b', 'dev');
    await open.commit('bot', 'dev', { 'dev.txt': 'dev' });
    await open.git('bot', 'checkout', '--quiet', 'trunk');
    await locked.commit('private', 'main', { Dockerfile: 'FROM private' });
  });
  afterAll(async () => {
    await Promise.all([open.close(), locked.close()]);
    await rm(dir, { recursive: true });
  });

  const fetch = (request: Partial<GitRequest>, signal = AbortSignal.timeout(20_000), own: Partial<FetchParts> = {}) =>
    fetchGit({ ...parts, ...own }, { url: `${open.url}/bot`, ref: '', subdir: '', ...request }, signal);
  const namesIn = async (path: string) => {
    const names: string[] = [];
    const entries = readContextTar(Readable.from([await readFile(path)]));
    for await (const entry of entries) if (entry.kind !== 'folder') names.push(entry.name);
    return names;
  };

  test('gives its default branch, whatever that is called, with the commit, and is gone when released', async () => {
    const fetched = await fetch({});
    expect(fetched.commit).toBe(first);
    expect(await readFile(fetched.path, 'latin1')).toContain('FROM scratch');
    await fetched.release();
    expect(await readdir(dir)).toEqual([]);
  });

  test('waits for room on a full disk, and leaves nothing there', async ({ skip }) => {
    using disk = mountSmallDisk(1);
    if (disk === undefined) return skip('no file system can be mounted here');
    await open.commit('large', 'main', { 'large.txt': randomBytes(1_500_000).toString('hex') });
    const error = await fetch({ url: `${open.url}/large` }, undefined, { dir: disk.path }).catch((e: unknown) => e);
    expect(error).toMatchObject({ problem: { code: 'GIT_FAILED', message: expect.stringContaining('disk') } });
    expect(isTransient(error)).toBe(true);
    expect(await readdir(disk.path)).toEqual([]);
  });

  test('hostile 62: gives a branch, a tag, a commit by its id, and a folder, which then is judged like every archive', async () => {
    const dev = await fetch({ ref: 'dev' });
    expect(await readFile(dev.path, 'latin1')).toContain('dev.txt');
    const tagged = await fetch({ ref: 'v1' });
    expect(tagged.commit).toBe(first);
    for (const ref of [first, first.toUpperCase()]) {
      const byId = await fetch({ ref });
      expect(byId.commit).toBe(first);
      await byId.release();
    }
    const sub = await fetch({ subdir: 'sub' });
    expect(await readFile(sub.path, 'latin1')).toContain('FROM sub');
    await expect(namesIn(sub.path)).rejects.toMatchObject({ problem: { code: 'INVALID_ARCHIVE' } });
    await Promise.all([dev, tagged, sub].map(({ release }) => release()));
  });

  test('hostile 63: is refused with the path of a submodule, which would be an empty folder, unless .dockerignore leaves it out', async () => {
    await open.commit('linked', 'trunk', { Dockerfile: 'FROM scratch', 'sub/Dockerfile': 'FROM sub' });
    // A submodule without .gitmodules is one as well: that is what a repository within another becomes.
    await open.git('linked', 'update-index', '--add', '--cacheinfo', `160000,${first},libs/shared`);
    await open.git('linked', 'commit', '--quiet', '-m', 'link');
    const url = `${open.url}/linked`;
    await expect(fetch({ url })).rejects.toMatchObject({
      problem: { code: 'GIT_FAILED', message: expect.stringContaining('"libs/shared" is a submodule') },
    });
    await (await fetch({ url, subdir: 'sub' })).release();
    await open.commit('linked', 'trunk', { '.dockerignore': 'libs\n' });
    await (await fetch({ url })).release();
    await open.git('linked', 'update-index', '--add', '--cacheinfo', `160000,${first},sub/shared`);
    await open.git('linked', 'commit', '--quiet', '-m', 'another link');
    await expect(fetch({ url, subdir: 'sub' })).rejects.toMatchObject({ problem: { code: 'GIT_FAILED' } });
    expect(await readdir(dir)).toEqual([]);
  });

  test('hostile 63: has no say over how it is read: attributes, filters, LFS and commands of submodules', async () => {
    const files = {
      Dockerfile: 'FROM scratch',
      'a.txt': '$Id$ $Format:%H$\n',
      '.gitattributes': 'a.txt ident export-subst eol=crlf filter=evil diff=evil\nDockerfile export-ignore\n',
      '.lfsconfig': '[lfs]\n\turl = http://127.0.0.1:1/\n',
      '.gitmodules': `[submodule "x"]\n\tpath = "x\\r"\n\turl = ext::sh -c touch% ${dir}/ran\n\tupdate = !touch ${dir}/ran\n`,
      'hooks/post-checkout': `#!/bin/sh\ntouch ${dir}/ran\n`,
    };
    await open.commit('odd', 'trunk', files);
    const fetched = await fetch({ url: `${open.url}/odd` });
    expect(await namesIn(fetched.path)).toEqual(Object.keys(files).toSorted());
    expect(await readFile(fetched.path, 'latin1')).toContain(files['a.txt']);
    await fetched.release();
    expect(await readdir(dir)).toEqual([]);
  });

  test('hostile 64: is not looked for where a server redirects to', async () => {
    const asked: string[] = [];
    const target = createServer((request, response) => {
      asked.push(request.url ?? '');
      response.writeHead(500).end();
    });
    const server = createServer((request, response) => {
      response.writeHead(302, { location: `http://${placeOf(target)}${request.url}` }).end();
    });
    for (const each of [target, server]) await once(each.listen(0, '127.0.0.1'), 'listening');
    const url = `http://${placeOf(server)}/bot`;
    const refused = await fetch({ url }, undefined, { allow: [placeOf(server)] }).catch((error: unknown) => error);
    for (const each of [target, server]) each.close();
    expect(refused).toMatchObject({ problem: { code: 'GIT_FAILED' } });
    expect(asked).toEqual([]);
    expect(await readdir(dir)).toEqual([]);
  });

  test('hostile 66: needs the right credentials where it is private, and shows them nowhere', async () => {
    const url = `${locked.url}/private`;
    const fetched = await fetch({ url, credentials: new Secret(credentials) });
    expect(await namesIn(fetched.path)).toEqual(['Dockerfile']);
    const config = await readFile(join(fetched.path, '../repo/config'), 'utf8');
    expect(config).not.toContain('canary');
    await fetched.release();
    const wrong = new Secret({ username: 'ann', password: 'wrong-canary' });
    for (const request of [{ url }, { url, credentials: wrong }]) {
      const error = await fetch(request).catch((reason: unknown) => reason);
      expect(error).toMatchObject({ problem: { code: 'GIT_FAILED', message: expect.stringContaining('credentials') } });
      expect(JSON.stringify(error)).not.toContain('canary');
    }
    expect(await readdir(dir)).toEqual([]);
  });

  test.each<[string, Partial<GitRequest>, string, RegExp]>([
    ['an absent branch', { ref: 'absent' }, 'GIT_FAILED', /no branch or tag absent.*git_branch/s],
    ['an absent commit', { ref: `${'0'.repeat(39)}1` }, 'GIT_FAILED', /no such commit.*Check the id/s],
    ['half a commit id', { ref: '0123456789' }, 'GIT_FAILED', /git rev-parse HEAD/],
    ['an absent folder', { subdir: 'absent' }, 'GIT_FAILED', /no folder absent.*git_subdir/s],
    ['a file as folder', { subdir: 'Dockerfile' }, 'GIT_FAILED', /no folder Dockerfile/],
    ['an option as URL', { url: '--upload-pack=touch pwn' }, 'INVALID_GIT_URL', /./],
    ['an option as branch', { ref: '--upload-pack=x' }, 'INVALID_GIT_REF', /./],
    ['a folder above', { subdir: '../x' }, 'INVALID_FILE_PATH', /./],
    ['another transport', { url: 'file:///etc' }, 'INVALID_GIT_URL', /./],
    ['a loopback address', { url: 'https://127.0.0.1:1/x' }, 'FORBIDDEN_URL', /./],
  ])('is refused for %s', async (_, request, code, message) => {
    const refused = await fetch(request).catch((reason: unknown) => reason);
    expect(refused).toBeInstanceOf(ProblemError);
    if (!(refused instanceof ProblemError)) return;
    expect(refused.problem.code).toBe(code);
    expect(`${refused.problem.message} ${refused.problem.hint}`).toMatch(message);
    expect(await readdir(dir)).toEqual([]);
  });

  test('has no absent repository', async () => {
    await expect(fetch({ url: `${open.url}/absent` })).rejects.toMatchObject({
      problem: { code: 'GIT_FAILED', message: 'There is no repository at the URL.' },
    });
  });

  test('is refused when any address of its name is forbidden', async () => {
    const resolve = async () => [
      { address: '93.184.215.14', family: 4 as const },
      { address: '10.0.0.1', family: 4 as const },
    ];
    const url = 'https://git.example.org/x';
    await expect(fetch({ url }, undefined, { resolve })).rejects.toMatchObject({ problem: { code: 'FORBIDDEN_URL' } });
  });

  test('is connected to at the address that was judged, and not at what its name means elsewhere', async () => {
    const port = open.place.split(':')[1];
    const place = `git.invalid:${port}`;
    const resolve = async () => [{ address: '127.0.0.1', family: 4 as const }];
    const fetched = await fetch({ url: `http://${place}/bot` }, undefined, { allow: [place], resolve });
    expect(fetched.commit).toBe(first);
    await fetched.release();
  });

  test('is given up when it is aborted, and leaves nothing', async () => {
    await expect(fetch({}, AbortSignal.abort(new Error('cancelled')))).rejects.toThrow('cancelled');
    expect(await readdir(dir)).toEqual([]);
  });
});

// A TCP server that listens has an AddressInfo.
const placeOf = (server: Server): string => `127.0.0.1:${(server.address() as AddressInfo).port}`;
