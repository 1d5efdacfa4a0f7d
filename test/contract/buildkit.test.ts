/** Builds of the user's own Dockerfiles by BuildKit: the one of the test engine, as a builder of its own has it. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, inject, test } from 'vitest';
import { systemClock } from '#common/clock.ts';
import { silentLogger } from '#common/log.ts';
import { Secret } from '#common/secret.ts';
import { systemResolve } from '../../worker/fetch/fetched.ts';
import { engineFrontend } from '../../worker/images/users-dockerfile/frontend.ts';
import type { CustomBuild } from '../../worker/runtime/container-runtime.ts';
import { list, number, record, text, texts } from '../../worker/runtime/docker/answers.ts';
import type { BuildEngines } from '../../worker/runtime/docker/build-engine.ts';
import { createBuildLeftovers } from '../../worker/runtime/docker/build-leftovers.ts';
import { defaultCacheBounds, pruneBuildCache } from '../../worker/runtime/docker/buildkit/prune-cache.ts';
import { buildCustomImage } from '../../worker/runtime/docker/custom-build.ts';
import { createEngineClient } from '../../worker/runtime/docker/engine-client.ts';
import { noneTaken } from '../../worker/runtime/strays.ts';
import { createPrivateImages } from '../../worker/state/private-images.ts';
import { eventually } from '../kit/eventually.ts';
import { usableDocker } from '../kit/test-docker.ts';
import { dockerRuntime, fetchFileWith, rawEngine, removeAllOf } from './docker-harness.ts';
import { botPlan, patience, readAll, second, textsOf, untilExited } from './harness.ts';
import { buildContext, type ContextChoice } from './images.ts';

const given = inject('docker');
const docker = usableDocker(given);
const reason = 'skip' in given ? given.skip : docker.podman !== undefined && 'Podman has no BuildKit';

describe.skipIf(reason)('a build by BuildKit', { timeout: 120 * second }, () => {
  const userId = 'buildkit';
  const workerId = 'worker-k';
  const network = 'contract_buildkit';
  const engine = rawEngine(docker);
  const client = createEngineClient(docker.host);
  const runtime = dockerRuntime(docker, { network, workerId });
  const owner = { workerId, signingKey: new Secret(new Uint8Array(32).fill(1)), taken: noneTaken(workerId) };
  const builders: BuildEngines = {
    during: (_userId, _signal, work) =>
      work({
        kind: 'buildkit',
        client,
        keepsLayers: true,
        leftovers: createBuildLeftovers(client, owner, silentLogger),
        network: async () => 'default',
        bringBase: async () => {},
        deliver: async () => {},
      }),
  };
  let syntax = 0;
  let files: ReturnType<typeof createServer>;
  let place = '';
  const asked: string[] = [];
  const content = 'echo added\n';

  beforeAll(async () => {
    syntax = engineFrontend(text(record(await engine.get('/version'))['Version'])).syntax;
    files = createServer((request, response) => {
      asked.push(request.url ?? '');
      if (request.url === '/inside') return response.writeHead(302, { location: 'http://169.254.169.254/x' }).end();
      return response.writeHead(200, { 'last-modified': 'Wed, 21 Oct 2015 07:28:00 GMT' }).end(content);
    });
    files.listen(0, '127.0.0.1');
    await once(files, 'listening');
    // A TCP server that listens has an AddressInfo.
    place = `127.0.0.1:${(files.address() as AddressInfo).port}`;
  });
  afterEach(async () => {
    for (const { id } of await runtime.list(patience())) await runtime.remove(id, patience());
  });
  afterAll(async () => {
    files.close();
    await removeAllOf(engine, userId, network);
  });

  const build = (botId: string, dockerfile: string, choice: Partial<ContextChoice> & { allow?: string[] } = {}) => {
    const { allow = [], ...rest } = choice;
    const deps = {
      engine: client,
      builders,
      settings: {},
      clock: systemClock,
      logger: silentLogger,
      privateImages: createPrivateImages({}, async () => {}),
      allow,
      resolve: systemResolve,
      fetchFile: fetchFileWith(allow),
    };
    const builder = {
      buildCustomImage: (request: CustomBuild, signal: AbortSignal) => buildCustomImage(deps, request, signal),
    };
    return buildContext(builder, { key: { userId, botId }, workerId, dockerfile, ...rest });
  };
  const printedBy = async (botId: string, image: string) => {
    const plan = botPlan({ key: { userId, botId }, workerId, language: 'python' });
    const id = await runtime.create({ ...plan, image, run: { kind: 'image' } }, patience());
    await runtime.start(id, patience());
    await untilExited(runtime, id);
    return textsOf((await readAll(runtime, id)).lines);
  };

  test('has mounts, modes, platforms, build arguments, a target and another Dockerfile', async () => {
    const dockerfile = `# syntax=docker/dockerfile:1
ARG TAG
FROM --platform=$BUILDPLATFORM busybox:\${TAG} AS build
ARG TARGETARCH WORD
RUN --mount=type=cache,target=/cache --mount=type=bind,target=/src,ro --mount=type=tmpfs,target=/tmp2 \\
    echo $WORD-$TARGETARCH > /cache/word && cp /cache/word /src/steps.py / && touch /tmp2/x
FROM busybox:stable AS final
COPY --link --from=build --chmod=711 /word /word
RUN --mount=from=busybox:stable,target=/other test -x /other/bin/sh
CMD ["sh", "-c", "cat /word; stat -c %a /word"]
FROM nowhere.example/never:1
`;
    const lines: string[] = [];
    const image = await build('features', 'FROM scratch\n', {
      files: { 'docker/prod.Dockerfile': dockerfile },
      options: {
        dockerfile: 'docker/prod.Dockerfile',
        target: 'final',
        buildArgs: { TAG: 'stable', WORD: 'hello', NEVER: '1' },
      },
      onOutput: (line) => lines.push(line),
    });
    const { Arch } = record(await engine.get('/version'));
    expect(await printedBy('features', image)).toEqual([`hello-${text(Arch)}`, '711']);
    expect(lines).toContain('Build arguments that no ARG of the Dockerfile asks for: NEVER.');
    const { Config } = record(await engine.get(`/images/${image}/json`));
    expect(texts(record(Config)['Labels'])).toMatchObject({ user_id: userId, bot_id: 'features', bot_runner: 'true' });
  });

  test.each<[string, number, string]>([
    ['RUN <<', 4, 'RUN <<"EOF"\ntest "$(echo a)" = a\nFROM=bot_image_aaaa\nEOF\nRUN true'],
    ['COPY <<', 4, 'COPY <<-EOF /x\n\ttext\nEOF\nRUN grep -q ^text /x'],
    ['RUN --network', 3, 'RUN --network=none ! ip route | grep -q default'],
    ['COPY --exclude', 19, 'COPY --exclude=steps.py . /x/\nRUN test ! -e /x/steps.py && test -e /x/Dockerfile'],
    ['COPY --parents', 20, 'COPY --parents steps.py /x/'],
    ['${A#...}', 7, 'ENV A=xy\nENV B=${A#x}\nRUN test $B = y'],
  ])('has %s if the engine has it, else it is refused by name', async (feature, since, steps) => {
    const outcome = build('newer', `FROM busybox:stable\n${steps}\n`);
    if (syntax >= since) expect(await outcome).toContain('bot_image_');
    else {
      const message = expect.stringContaining(`${feature}`);
      await expect(outcome).rejects.toMatchObject({ problem: { code: 'BUILD_FAILED', message } });
      await expect(outcome).rejects.toThrow(
        `Dockerfile syntax 1.${since}, and the builder of this worker has 1.${syntax}`,
      );
    }
  });

  test('shares no cache between users', async () => {
    const step = 'RUN --mount=type=cache,id=shared,target=/c';
    await build('cache', `FROM busybox:stable\n${step} echo canary > /c/x\n`);
    await build('cache', `FROM busybox:stable\n${step} test -e /c/x && echo again\n`);
    const key = { userId: 'another', botId: 'cache' };
    await build('cache', `FROM busybox:stable\n${step} test ! -e /c/x\n`, { key });
    await removeAllOf(engine, 'another', network);
  });

  test('that fails says which step, and shows what it printed', async () => {
    const lines: string[] = [];
    const steps = 'RUN echo one; echo two; echo err >&2; printf three\nRUN echo four; exit 3\n';
    const outcome = build('fails', `FROM busybox:stable\n${steps}`, { onOutput: (line) => lines.push(line) });
    await expect(outcome).rejects.toMatchObject({
      problem: {
        code: 'BUILD_FAILED',
        message: 'A step of the Dockerfile failed with exit code 3: /bin/sh -c echo four; exit 3',
      },
    });
    const printed = lines.filter((line) => /^(?:one|two|three|four|\[)/.test(line));
    expect(printed).toEqual([
      expect.stringMatching(/^\[\S* ?1\/3\] FROM/),
      expect.stringMatching(/^\[\S* ?2\/3\] RUN echo one/),
      'one',
      'two',
      'three',
      expect.stringMatching(/^\[\S* ?3\/3\] RUN echo four/),
      'four',
    ]);
    expect(lines).toContain('err');
    const absent = build('fails', 'FROM busybox:stable\nCOPY nowhere.txt /x\n');
    await expect(absent).rejects.toThrow('A COPY or ADD of the Dockerfile names a file that was not uploaded.');
  });

  test('that is cancelled ends its step, and leaves no image', async () => {
    const cancel = new AbortController();
    const onOutput = (line: string) => line === 'begun' && cancel.abort(new Error('cancelled'));
    const dockerfile = 'FROM busybox:stable\nRUN echo begun; sleep 97531\n';
    await expect(build('cancelled', dockerfile, { onOutput, signal: cancel.signal })).rejects.toThrow('cancelled');
    // A second one of the same steps would wait for the first if that ran on.
    await eventually('no step runs', sleepers, (found) => found.length === 0, { timeoutMs: 20 * second });
    const filters = { label: [`user_id=${userId}`, 'bot_id=cancelled'] };
    expect(list(await engine.get('/images/json', { filters }))).toEqual([]);
  });

  test('adds what the worker fetches under its policy, and leaves nothing of it', async () => {
    const sum = createHash('sha256').update(content).digest('hex');
    const dockerfile = `FROM busybox:stable
ARG PLACE
ADD --checksum=sha256:${sum} http://${place}/a.sh /added/
ADD --chmod=755 --chown=5:6 http://$PLACE/b.sh?x=1 /b.sh
COPY . /all
CMD ["sh", "-c", "cat /b.sh; ls /all; stat -c '%a %u %Y' /added/a.sh /b.sh"]
`;
    const options = { buildArgs: { PLACE: place } };
    const image = await build('adds', dockerfile, { allow: [place], options });
    const changed = Date.parse('2015-10-21T07:28:00Z') / 1000;
    expect(await printedBy('adds', image)).toEqual([
      'echo added',
      'Dockerfile',
      'steps.py',
      `600 0 ${changed}`,
      `755 5 ${changed}`,
    ]);
    const names = list(await engine.get('/images/json')).flatMap((found) => list(record(found)['RepoTags']));
    expect(names.filter((name) => text(name).endsWith('.added'))).toEqual([]);
  });

  test.each<[string, (place: string) => string, RegExp]>([
    ['a private address', (at) => `http://${at}/secret`, /ADD in line 2 .* may not be fetched from the address/],
    ['one in other words', () => 'http://0x7f.1:81/secret', /may not be fetched/],
    ['one in IPv6', () => 'http://[::ffff:7f00:1]:81/secret', /may not be fetched/],
    ['the metadata service', () => 'http://169.254.169.254/latest/meta-data', /may not be fetched/],
    ['a name of the own network', () => 'http://localhost:2375/info', /may not be fetched/],
    ['a login', () => 'http://me:secret@example.com/x', /URL/],
  ])('fetches nothing from %s', async (_what, url, message) => {
    asked.length = 0;
    const lines: string[] = [];
    const dockerfile = `FROM busybox:stable\nADD ${url(place)} /x\n`;
    const outcome = build('forbidden', dockerfile, { onOutput: (line) => lines.push(line) });
    await expect(outcome).rejects.toThrow(message);
    expect(asked).toEqual([]);
    expect(lines.filter((line) => line.includes('secret@'))).toEqual([]);
  });

  test('follows no redirect to a private address, and takes no other file than the checksum says', async () => {
    const redirected = build('forbidden', `FROM busybox:stable\nADD http://${place}/inside /x\n`, { allow: [place] });
    await expect(redirected).rejects.toThrow(/may not be fetched from the address/);
    const dockerfile = `FROM busybox:stable\nADD --checksum=sha256:${'0'.repeat(64)} http://${place}/a /x\n`;
    await expect(build('forbidden', dockerfile, { allow: [place] })).rejects.toThrow(/another checksum/);
  });

  test('fills its cache only up to a bound', async () => {
    const step = 'RUN --mount=type=cache,target=/c head -c 8000000 /dev/zero > /c/x\n';
    await build('cache', `FROM busybox:stable\n${step}`);
    const unusedBytes = async () => {
      const { BuildCache } = record(await engine.get('/system/df'));
      const unused = list(BuildCache)
        .map(record)
        .filter(({ InUse, Shared }) => InUse === false && Shared === false);
      return unused.reduce((sum, { Size }) => sum + number(Size), 0);
    };
    expect(await unusedBytes()).toBeGreaterThan(8_000_000);
    await pruneBuildCache(client, { ...defaultCacheBounds, maxBytes: 1_000_000 }, patience());
    expect(await unusedBytes()).toBeLessThan(1_000_000);
  });
});

/** The command lines of steps that sleep. */
async function sleepers(): Promise<readonly string[]> {
  const found = await Promise.all(
    (await readdir('/proc'))
      .filter((name) => /^\d+$/.test(name))
      .map((name) => readFile(`/proc/${name}/cmdline`, 'utf8').catch(() => '')),
  );
  return found.filter((line) => line.includes('sleep\u000097531'));
}
