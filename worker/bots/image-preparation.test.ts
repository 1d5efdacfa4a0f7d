import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { pack } from 'tar-stream';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '#common/clock.ts';
import { ProblemError, problem, unwrap } from '#common/problem.ts';
import { Secret } from '#common/secret.ts';
import { fairSemaphore } from '#common/waiting/semaphore.ts';
import { BotSpecSchema } from '#gen/botrunner/v1/bot_pb.js';
import { FakeEngine } from '../../test/kit/fake-runtime/fake-engine.ts';
import { createFakeRuntime } from '../../test/kit/fake-runtime/fake-runtime.ts';
import { startGitServer, type TestGitServer } from '../../test/kit/git-server/git-server.ts';
import type { TokenClaims } from '../diagnosis/source-tokens.ts';
import type { FetchParts } from '../fetch/fetched.ts';
import { plainTar } from '../state/source-tar.ts';
import { type PreparationPhase, prepareImage } from './image-preparation.ts';
import { imageDigest, readSpec } from './spec-plan.ts';

const defaults = { memoryBytes: 1, cpuMillis: 1, env: {} };
type Source = MessageInitShape<typeof BotSpecSchema>['source'];
const read = (source: Source) =>
  readSpec(create(BotSpecSchema, { source } as MessageInitShape<typeof BotSpecSchema>), defaults);
const key = { userId: 'dev', botId: 'modes' };

describe('making an image', () => {
  let dir: string;
  let server: Server;
  let place: string;
  let git: TestGitServer;
  let fetching: FetchParts;
  let released = 0;
  let warnings: string[] = [];
  let claimed: unknown[] = [];
  let answers: ('granted' | 'pending' | Error)[] = [];
  const tokenClaims: TokenClaims = {
    async claim({ tokenSha256s }, built) {
      claimed.push({ tokenSha256s, built });
      const answer = answers.shift() ?? 'granted';
      if (answer instanceof Error) throw answer;
      return answer;
    },
  };
  const engine = new FakeEngine({ clock: systemClock });
  const signingKey = new Secret(new Uint8Array(32));
  const runtime = createFakeRuntime({ engine, workerId: 'w', signingKey, clock: systemClock });

  const contextTar = (prefix: string) => {
    const tar = pack();
    tar.entry({ name: `${prefix}Dockerfile` }, 'FROM scratch');
    tar.finalize();
    return buffer(tar);
  };
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'preparation-'));
    await mkdir(join(dir, 'fetch'));
    await writeFile(join(dir, 'artifact'), await contextTar(''));
    const wrapped = await contextTar('bot-main/');
    server = createServer((_, response) => response.end(wrapped)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    // A TCP server that listens has an AddressInfo.
    place = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    git = await startGitServer();
    fetching = { dir: join(dir, 'fetch'), allow: [place, git.place, 'registry.lan:5000'], clock: systemClock };
  });
  afterAll(async () => {
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    await Promise.all([closed, git.close()]);
    await rm(dir, { recursive: true });
  });

  const prepare = async (source: Source) => {
    warnings = [];
    claimed = [];
    const phases: PreparationPhase[] = [];
    const release = () => {
      released += 1;
    };
    const artifacts = { fetch: async () => ({ tar: plainTar(join(dir, 'artifact')), release }) };
    const slots = fairSemaphore(1);
    const spec = unwrap(read(source));
    const preparation = {
      key,
      workerId: 'w',
      epoch: 1n,
      revision: 1n,
      spec,
      onPhase: (phase: PreparationPhase) => void phases.push(phase),
      onOutput: () => {},
      onWarnings: async (lines: readonly string[]) => void warnings.push(...lines),
    };
    const { pinned } = await prepareImage(
      { runtime, artifacts, slots, fetchSlots: fairSemaphore(8), fetching, tokenClaims },
      preparation,
      AbortSignal.timeout(20_000),
    );
    expect(await readdir(fetching.dir)).toEqual([]);
    return { pinned, phases };
  };
  const custom = (from: NonNullable<Extract<Source, { case: 'custom' }>['value']>['from']): Source => ({
    case: 'custom',
    value: { from } as NonNullable<Extract<Source, { case: 'custom' }>['value']>,
  });
  const built = ['fetching', 'waiting', 'building'];

  test('builds from an uploaded archive, and lets it go', async () => {
    expect(await prepare(custom({ case: 'artifactSha256', value: 'a'.repeat(64) }))).toEqual({
      pinned: '',
      phases: built,
    });
    expect(released).toBe(1);
    expect(runtime.calls).toContain('buildCustomImage');
  });

  test('takes no slot for a version whose packages are there, and lets its code go', async () => {
    const source: Source = {
      case: 'simple',
      value: { artifactSha256: 'a'.repeat(64), entrypoint: 'bot.py', requirements: ['aiogram'] } as never,
    };
    const { reuseImage } = runtime;
    runtime.reuseImage = async () => true;
    try {
      expect(await prepare(source)).toEqual({ pinned: '', phases: ['fetching'] });
    } finally {
      runtime.reuseImage = reuseImage;
    }
    expect(runtime.calls).not.toContain('buildImage');
    expect(await prepare(source)).toEqual({ pinned: '', phases: built });
    expect(runtime.calls).toContain('buildImage');
  });

  test('builds from an archive at a URL, with a folder around everything', async () => {
    const source = custom({ case: 'archiveUrl', value: `http://${place}/bot.tar` });
    expect(await prepare(source)).toEqual({ pinned: '', phases: built });
    await expect(prepare(custom({ case: 'archiveUrl', value: 'http://127.0.0.1:1/x' }))).rejects.toMatchObject({
      problem: { code: 'FORBIDDEN_URL' },
    });
  });

  test('hostile 67: builds from a git repository, pinned to the commit', async () => {
    const commit = await git.commit('bot', 'main', { 'sub/Dockerfile': 'FROM scratch' });
    const at = (subdir: string) => custom({ case: 'git', value: { url: `${git.url}/bot`, subdir } as never });
    expect(await prepare(at('sub'))).toEqual({ pinned: commit, phases: built });
    await expect(prepare(at(''))).rejects.toMatchObject({ problem: { code: 'INVALID_ARCHIVE' } });
    expect(await readdir(fetching.dir)).toEqual([]);
  });

  test('asks about the Telegram tokens in what it has fetched, and reports them', async () => {
    const token = '123456789:AAabcdefghijklmnopqrstuvwxyz0123456';
    await git.commit('leaky', 'main', { Dockerfile: 'FROM scratch', 'bot.py': `T = "${token}"`, 'notes.md': token });
    const source = custom({ case: 'git', value: { url: `${git.url}/leaky` } as never });
    const tokenSha256s = [createHash('sha256').update(token).digest('hex')];
    await prepare(source);
    expect(claimed).toEqual([{ tokenSha256s, built: false }]);
    expect(warnings.join()).toMatch(/^there is a Telegram token in bot\.py:1, notes\.md:1: /);
    expect(warnings.join()).not.toContain(token);
    answers = ['pending', 'pending', 'granted'];
    await prepare(source);
    expect(claimed).toEqual([false, true, true].map((built) => ({ tokenSha256s, built })));
    answers = [new ProblemError(problem('TOKEN_IN_USE', 'no'))];
    await expect(prepare(source)).rejects.toMatchObject({ problem: { code: 'TOKEN_IN_USE' } });
    await prepare(custom({ case: 'artifactSha256', value: 'a'.repeat(64) }));
    expect(claimed).toEqual([]);
  });

  test('pulls a ready image, with a tag always, from where images may come from', async () => {
    const image = (name: string): Source => ({ case: 'image', value: { image: name } as never });
    const { pinned, phases } = await prepare(image('registry.lan:5000/team/bot'));
    expect(pinned).toMatch(/^registry\.lan:5000\/team\/bot@sha256:[0-9a-f]{64}$/);
    expect([...engine.pulled.keys()]).toEqual(['registry.lan:5000/team/bot:latest']);
    expect(phases).toEqual(['pulling']);
    await expect(prepare(image('10.0.0.5:5000/bot'))).rejects.toMatchObject({
      problem: { code: 'FORBIDDEN_REGISTRY' },
    });
  });
});

describe('a source of other modes', () => {
  test('needs to be named', () => {
    expect(read({ case: 'custom', value: { from: { case: undefined } } as never })).toMatchObject({
      problem: { code: 'MISSING_SOURCE' },
    });
    expect(read({ case: 'custom', value: { from: { case: 'artifactSha256', value: '../x' } } as never })).toMatchObject(
      {
        problem: { code: 'ARTIFACT_NOT_FOUND' },
      },
    );
  });

  test('has a digest of what it is, without the credentials', () => {
    const digest = (password: string, ref: string) => {
      const value = { url: 'https://h.org/x', ref, subdir: '', credentials: { username: 'u', password } };
      return imageDigest(unwrap(read({ case: 'custom', value: { from: { case: 'git', value } } as never })));
    };
    expect(digest('a', 'main')).toBe(digest('b', 'main'));
    expect(digest('a', 'main')).not.toBe(digest('a', 'dev'));
  });
});
