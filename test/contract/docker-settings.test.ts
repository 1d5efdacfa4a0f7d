/** What the operator sets for all builds is really used: a mirror of Docker Hub, and a proxy. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { systemClock } from '#common/clock.ts';
import { imageName } from '#common/ids.ts';
import { silentLogger } from '#common/log.ts';
import { Secret } from '#common/secret.ts';
import { systemResolve } from '../../worker/fetch/fetched.ts';
import { createDockerRuntime } from '../../worker/runtime/docker/docker-runtime.ts';
import { createEngineClient } from '../../worker/runtime/docker/engine-client.ts';
import { createPrivateImages } from '../../worker/state/private-images.ts';
import { eventually } from '../kit/eventually.ts';
import { startRegistry, type TestRegistry } from '../kit/registry/registry.ts';
import { usableDocker } from '../kit/test-docker.ts';
import { dockerRuntime, fetchFileWith, rawEngine, removeAllOf } from './docker-harness.ts';
import { botPlan, buildBot, patience, second, untilExited } from './harness.ts';
import { buildContext } from './images.ts';

const given = inject('docker');
const docker = usableDocker(given);

// Names that Docker Hub's users may not have, so that nothing but the mirror can have them.
const names = ['mirrored-image', 'mirrored-base', 'mirrored-from'] as const;

describe.skipIf('skip' in given)('with a mirror of Docker Hub', { timeout: 60 * second }, () => {
  const userId = 'docker-mirror';
  const workerId = 'worker-m';
  const network = 'contract_mirror';
  const engine = rawEngine(docker);
  let registry: TestRegistry;

  const runtimeWith = (registryMirror: string) =>
    createDockerRuntime({
      dockerHost: docker.host,
      // Nothing is built here.
      codeDir: '/nonexistent',
      sealKey: new Secret<Uint8Array>(new Uint8Array(32).fill(7)),
      network,
      egress: { kind: 'open' },
      firewallMark: '/nonexistent/firewall',
      baseImages: { python: 'mirrored-base:1', node: 'mirrored-base:1' },
      buildSettings: {},
      registryMirror,
      fetchAllow: [],
      resolve: systemResolve,
      fetchFile: fetchFileWith([]),
      privateImages: createPrivateImages({}, async () => {}),
      workerId,
      signingKey: new Secret<Uint8Array>(new Uint8Array(32).fill(7)),
      clock: systemClock,
      logger: silentLogger,
    });
  const runtime = () => runtimeWith(registry.address);

  beforeAll(async () => {
    registry = await startRegistry(docker.hostAddress, { open: true });
    const client = createEngineClient(docker.host);
    for (const name of names) {
      const repo = `${registry.address}/library/${name}`;
      await engine.post('/images/busybox:stable/tag', { repo, tag: '1' });
      const push = { method: 'POST', path: `/images/${repo}/push`, query: { tag: '1' } } as const;
      const registryAuth = { username: '', password: '', serveraddress: registry.address };
      let report = '';
      for await (const chunk of await client.stream({ ...push, registryAuth }, patience())) report += String(chunk);
      if (report.includes('"error"')) throw new Error(`the push failed: ${report}`);
      await engine.remove(`/images/${repo}:1`, { noprune: true });
    }
  }, 60 * second);
  afterAll(async () => {
    for (const { id } of await runtime().list(patience())) await runtime().remove(id, patience());
    await removeAllOf(engine, userId, network);
    for (const name of names) {
      for (const repo of [name, `${registry.address}/library/${name}`]) {
        // Some have one name, some both.
        await engine.remove(`/images/${repo}:1`, { noprune: true }).catch(() => undefined);
      }
    }
    await registry.close();
  }, 60 * second);

  test('a ready image is pulled from it, pinned by its digest, and used without pulling from then on', async () => {
    const lines: string[] = [];
    const pull = { userId, reference: 'mirrored-image:1', credentials: undefined, pull: false };
    const onOutput = (line: string) => lines.push(line);
    const { pinned } = await runtime().pullImage({ ...pull, onOutput }, patience());
    expect(pinned).toMatch(new RegExp(`^${registry.address}/library/mirrored-image@sha256:`));
    expect(lines).toContain(`pulling mirrored-image:1 from the mirror ${registry.address}`);
    expect(await runtime().pullImage({ ...pull, onOutput }, patience())).toEqual({ pinned });
    expect(lines.at(-1)).toContain('already has');
    const plan = botPlan({ key: { userId, botId: 'ready' }, workerId, language: 'python' });
    const id = await runtime().create({ ...plan, image: pinned, run: { kind: 'image' } }, patience());
    await runtime().start(id, patience());
    expect(await untilExited(runtime(), id)).toMatchObject({ exitCode: 0 });
  });

  test('the base of simple mode comes from it', async () => {
    const key = { userId, botId: 'simple' };
    expect(await runtime().hasImage('mirrored-base:1', patience())).toBe(false);
    await buildBot(runtime(), 'python', { key, workerId });
    expect(await runtime().hasImage('mirrored-base:1', patience())).toBe(true);
    expect(await runtime().hasImage(imageName(key, 1n), patience())).toBe(true);
  });

  test('what a Dockerfile builds on comes from it, the images of its stages and copies too', async () => {
    const dockerfile = `ARG BASE=mirrored-from:1
FROM $BASE AS first
RUN echo built > /made
FROM scratch
COPY --from=first /made /made
COPY --from=mirrored-from:1 /bin/busybox /busybox
CMD ["/busybox", "true"]
`;
    const image = await buildContext(runtime(), { key: { userId, botId: 'custom' }, workerId, dockerfile });
    expect(await runtime().hasImage(image, patience())).toBe(true);
  });

  test('an image that it does not have is reported as absent', async () => {
    const pull = { userId, reference: 'mirrored-absent:1', credentials: undefined, pull: false, onOutput: () => {} };
    await expect(runtime().pullImage(pull, patience())).rejects.toMatchObject({ problem: { code: 'IMAGE_NOT_FOUND' } });
  });
});

describe.skipIf('skip' in given)('with a proxy', { timeout: 60 * second }, () => {
  const userId = 'docker-proxy';
  const workerId = 'worker-p';
  const network = 'contract_proxy';
  const engine = rawEngine(docker);
  const asked: string[] = [];
  /** What builds told it of who they are. */
  const logins: unknown[] = [];
  // Lets nothing through: that it was asked is enough.
  const proxy = createServer();
  proxy.on('connect', (request, socket) => {
    asked.push(request.url ?? '');
    logins.push(request.headers['proxy-authorization']);
    // A build that is ended resets it.
    socket.on('error', () => {});
    socket.end('HTTP/1.1 502 Bad Gateway\r\n\r\n');
  });

  beforeAll(async () => {
    proxy.listen(0, docker.hostAddress);
    await once(proxy, 'listening');
  });
  afterAll(async () => {
    await removeAllOf(engine, userId, network);
    proxy.close();
  });

  test('packages of Python, of Node and of a Dockerfile are asked for through it', async () => {
    // A TCP server that listens has an AddressInfo; only pipes have text and closed servers null.
    const { port } = proxy.address() as AddressInfo;
    const buildSettings = {
      pipIndexUrl: 'https://pip.example.invalid/simple/',
      npmRegistry: 'https://npm.example.invalid/',
      httpsProxy: `http://operator:canary-pass@${docker.hostAddress}:${port}`,
    };
    const runtime = dockerRuntime(docker, { network, workerId, buildSettings });
    const lines: string[] = [];
    const choice = { workerId, onOutput: (line: string) => lines.push(line) };
    const dockerfile = `FROM python:3.11-slim
ARG PIP_INDEX_URL
RUN echo "the index is $PIP_INDEX_URL, the proxy $HTTPS_PROXY"
RUN env | base64
RUN python -m pip install --retries 0 --index-url https://custom.example.invalid/simple/ something || true
`;
    const ask = (botId: string, language: 'python' | 'node', host: string) =>
      until(
        () => asked.includes(host),
        (signal) =>
          buildBot(runtime, language, { ...choice, key: { userId, botId }, requirements: ['something'], signal }),
      );
    await ask('python', 'python', 'pip.example.invalid:443');
    await ask('node', 'node', 'npm.example.invalid:443');
    await buildContext(runtime, { ...choice, key: { userId, botId: 'custom' }, dockerfile });
    expect(asked).toContain('custom.example.invalid:443');
    const seen = lines.find((line) => line.startsWith('the index is'));
    expect(seen).toMatch(/^the index is https:\/\/pip\.example\.invalid\/simple\/, the proxy http:\/\/.*:\d+$/);
    expect(lines.join('\n')).not.toContain('canary-pass');
    // What is masked in the output could have been sent elsewhere.
    expect(logins.filter((login) => login !== undefined)).toEqual([]);
    const encoded = lines.filter((line) => /^[A-Za-z0-9+/=]{40,}$/.test(line)).join('');
    expect(Buffer.from(encoded, 'base64').toString()).toContain('HTTPS_PROXY=http://');
    expect(Buffer.from(encoded, 'base64').toString()).not.toContain('canary-pass');
    const history = await engine.get(`/images/${imageName({ userId, botId: 'custom' }, 1n)}/history`);
    expect(JSON.stringify(history)).not.toContain('canary-pass');
  });
});

/** Ends the work when the condition holds: npm would try for a minute. */
async function until(isDone: () => boolean, work: (signal: AbortSignal) => Promise<unknown>): Promise<void> {
  const enough = new AbortController();
  const working = work(enough.signal).catch((error: unknown) => error);
  await eventually('it was asked for', isDone, (done) => done, { timeoutMs: 40 * second });
  enough.abort(new Error('enough'));
  await working;
}
