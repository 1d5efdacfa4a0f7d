import { afterAll, afterEach, beforeAll, describe, expect, inject, test } from 'vitest';
import { imageName, imageVolumeName, volumeName } from '#common/ids.ts';
import { Secret } from '#common/secret.ts';
import type { ImagePull } from '../../worker/runtime/container-runtime.ts';
import { list, record, text } from '../../worker/runtime/docker/answers.ts';
import { eventually } from '../kit/eventually.ts';
import { startRegistry, type TestRegistry } from '../kit/registry/registry.ts';
import { usableDocker } from '../kit/test-docker.ts';
import { dockerRuntime, networkOf, rawEngine, removeAllOf } from './docker-harness.ts';
import { botPlan, patience, readAll, second, textsOf, untilExited, untilPrinted } from './harness.ts';
import { buildContext, type ContextChoice } from './images.ts';
import { forgetImages, push } from './pushed-images.ts';

const given = inject('docker');
const docker = usableDocker(given);

describe.skipIf('skip' in given)('images on a Docker engine', { timeout: 120 * second }, () => {
  const userId = 'docker-images';
  const workerId = 'worker-i';
  const network = 'contract_images';
  const engine = rawEngine(docker);
  const runtime = dockerRuntime(docker, { network, workerId });
  const build = (botId: string, choice: Omit<ContextChoice, 'key' | 'workerId'>) =>
    buildContext(runtime, { ...choice, key: { userId, botId }, workerId });
  const run = async (botId: string, image: string, env: Record<string, string> = {}) => {
    const plan = botPlan({ key: { userId, botId }, workerId, language: 'python', env });
    const id = await runtime.create({ ...plan, image, run: { kind: 'image' } }, patience());
    await runtime.start(id, patience());
    return id;
  };
  const printed = async (id: string) => {
    await untilExited(runtime, id);
    return textsOf((await readAll(runtime, id)).lines);
  };
  const imageIds = async (all = true) =>
    list(await engine.get('/images/json', { all }))
      .map((image) => text(record(image)['Id']))
      .toSorted();

  afterEach(async () => {
    for (const { id } of await runtime.list(patience())) await runtime.remove(id, patience());
  });
  afterAll(() => removeAllOf(engine, userId, network));

  test('build steps of a worker that was killed are removed by the next one, and nothing else without a name', async () => {
    const unnamed = await engine.post('/containers/create', {}, { Image: 'busybox:stable', Cmd: ['sleep', '900'] });
    const others = text(record(unnamed)['Id']);
    const containers = async () =>
      list(await engine.get('/containers/json', { all: true })).map((container) => text(record(container)['Id']));
    const before = await containers();
    const building = build('killed', { dockerfile: 'FROM busybox:stable\nRUN sleep 900\n' });
    building.catch(() => undefined);
    const steps = await eventually(
      'a step runs',
      async () => (await containers()).filter((id) => !before.includes(id)),
      (ids) => ids.length > 0,
      { timeoutMs: 60 * second },
    );
    // Another worker's: it has another key.
    const stranger = new Secret<Uint8Array>(new Uint8Array(32).fill(9));
    await dockerRuntime(docker, { network, workerId, signingKey: stranger }).info(patience());
    expect(await containers()).toEqual(expect.arrayContaining([...steps, others]));
    const next = dockerRuntime(docker, { network, workerId });
    await next.info(patience());
    await eventually('the step is gone', containers, (ids) => !steps.some((id) => ids.includes(id)), {
      timeoutMs: 30 * second,
    });
    expect(await containers()).toContain(others);
    await expect(building).rejects.toThrow();
    await engine.remove(`/containers/${others}`, { force: true });
  });

  describe('built with a Dockerfile', () => {
    // CHOWN, DAC_OVERRIDE, FOWNER, KILL, SETGID, SETUID
    const rootsOwn = 0xebn;
    test.each([
      ['', '0', rootsOwn],
      ['USER root', '0', rootsOwn],
      ['USER 0:0', '0', rootsOwn],
      ['USER 00', '0', rootsOwn],
      ['USER toor', '0', rootsOwn],
      ['USER nobody', '65534', 0n],
      ['USER 4321:1234', '4321', 0n],
      ['USER games', '777', 0n],
    ])(
      'with "%s" run as %s, with no more capabilities than that needs, and write to /data',
      async (user, uid, caps) => {
        const botId = `user-${user.replaceAll(/\W/g, '-')}`;
        // A name that this machine does not have, or has with another number.
        const users = 'RUN printf "games:x:777:778::/:/bin/sh\\ntoor:x:0:0::/:/bin/sh\\n" >> /etc/passwd';
        const say = 'id -u; grep -E "CapEff|CapBnd|NoNewPrivs" /proc/self/status; echo x > /data/x && echo kept';
        const image = await build(botId, { dockerfile: `FROM busybox:stable\n${users}\n${user}\nCMD ${say}\n` });
        const hex = caps.toString(16).padStart(16, '0');
        expect(await printed(await run(botId, image))).toEqual([
          uid,
          `CapEff:\t${hex}`,
          `CapBnd:\t${hex}`,
          'NoNewPrivs:\t1',
          'kept',
        ]);
      },
    );

    test('keep the data of an earlier version that ran as another user, whichever user runs now', async () => {
      const key = { userId, botId: 'older' };
      const say = 'cat /data/d/kept; echo more >> /data/d/kept && touch /data/new && id -u';
      const of = (user: string) => `FROM busybox:stable\nUSER ${user}\nCMD ${say}\n`;
      const older = `FROM busybox:stable\nUSER 10001\nCMD umask 077; mkdir /data/d; echo first > /data/d/kept; ln -s /etc/passwd /data/link\n`;
      const versions: [string, string[]][] = [
        [older, []],
        [of('0'), ['first', '0']],
        [of('1000:1000'), ['first', 'more', '1000']],
        [of('10001'), ['first', 'more', 'more', '10001']],
      ];
      for (const [dockerfile, lines] of versions) {
        const id = await run('older', await build('older', { dockerfile }));
        expect(await printed(id)).toEqual(lines);
        await runtime.remove(id, patience());
      }
      await runtime.removeVolumes(key, patience());
    });

    test('own /data also where the engine gives it to somebody else again: it is empty, and a folder of the image', async () => {
      const key = { userId, botId: 'empty-data' };
      const of = (say: string) => `FROM busybox:stable\nRUN mkdir /data\nUSER 1000\nCMD ${say}\n`;
      const plan = botPlan({ key, workerId, language: 'python' });
      const versions = [
        ['true', false],
        ['echo x > /data/x && echo kept', true],
      ] as const;
      for (const [say, replaces] of versions) {
        const image = await build('empty-data', { dockerfile: of(say) });
        const id = await runtime.create({ ...plan, image, replaces, run: { kind: 'image' } }, patience());
        await runtime.start(id, patience());
        expect(await printed(id)).toEqual(replaces ? ['kept'] : []);
        await runtime.remove(id, patience());
      }
      await runtime.removeVolumes(key, patience());
    });

    test('keep command, folder, health check and stop signal of their own, and their output comes at once', async () => {
      const dockerfile = `FROM busybox:stable
STOPSIGNAL SIGINT
HEALTHCHECK --interval=1h CMD true
WORKDIR /srv
ENTRYPOINT ["sh", "-c"]
CMD ["trap 'echo saved; exit 0' INT; trap 'echo wrong; exit 1' TERM; pwd; echo unbuffered $PYTHONUNBUFFERED; while :; do sleep 0.1; done"]
`;
      const id = await run('own', await build('own', { dockerfile }));
      await untilPrinted(runtime, id, 'unbuffered 1');
      const facts = record(await engine.get(`/containers/${id}/json`));
      expect(record(facts['Config'])['Healthcheck']).toMatchObject({ Test: ['CMD-SHELL', 'true'] });
      expect(record(facts['HostConfig'])).toMatchObject({
        CapDrop: ['ALL'],
        NetworkMode: await networkOf(engine, network, userId),
        PidsLimit: 128,
      });
      await runtime.stop(id, 10 * second, patience());
      expect(textsOf((await readAll(runtime, id)).lines)).toEqual(['/srv', 'unbuffered 1', 'saved']);
      expect(await runtime.inspect(id, patience())).toMatchObject({ exitCode: 0 });
      const quiet = 'FROM busybox:stable\nENV PYTHONUNBUFFERED=\nCMD echo "said: $PYTHONUNBUFFERED."\n';
      expect(await printed(await run('quiet', await build('quiet', { dockerfile: quiet })))).toEqual(['said: .']);
    });

    test('keep what is in their volumes over new containers and versions, until it is purged', async () => {
      const key = { userId, botId: 'volumes' };
      const before = list(record(await engine.get('/volumes'))['Volumes']).length;
      const of = (version: number) => `FROM busybox:stable
RUN mkdir -p /app/storage && echo seed > /app/storage/seed && chown -R 1000 /app/storage && echo ${version} > /version
VOLUME /app/storage/ /data
USER 1000
CMD cat /app/storage/seed; echo x >> /app/storage/count && wc -l < /app/storage/count
`;
      for (const count of [1, 2, 3]) {
        const id = await run('volumes', await build('volumes', { dockerfile: of(count) }));
        expect(await printed(id)).toEqual(['seed', String(count)]);
        const facts = record(await engine.get(`/containers/${id}/json`));
        const mounts = list(facts['Mounts']).map((mount) => [record(mount)['Destination'], record(mount)['Name']]);
        expect(Object.fromEntries(mounts)).toEqual({
          '/data': volumeName(key),
          '/app/storage': imageVolumeName(key, '/app/storage'),
        });
        await runtime.remove(id, patience());
      }
      await dockerRuntime(docker, { network, workerId: 'another' }).removeVolumes(key, patience());
      expect(list(record(await engine.get('/volumes'))['Volumes'])).toHaveLength(before + 2);
      await runtime.removeVolumes(key, patience());
      expect(list(record(await engine.get('/volumes'))['Volumes'])).toHaveLength(before);
    });

    test('say in one sentence why they could not be built, and leave no layer', async () => {
      const before = await imageIds();
      const failing = [
        ['FROM busybox:stable\nRUN echo one > /one\nRUN echo oops && exit 7\n', /exit code 7/],
        ['FROM busybox:stable\nRUN true\nCOPY absent /x\n', /names a file that was not uploaded/],
        ['FROM busybox:stable\nNONSENSE x\n', /unknown instruction in line 2: NONSENSE/],
        ['', /no Dockerfile/],
      ] as const;
      for (const [dockerfile, message] of failing) {
        const error = await build('fails', { dockerfile }).catch((reason: unknown) => reason);
        expect(error).toMatchObject({ problem: { message: expect.stringMatching(message) } });
      }
      expect(await imageIds()).toEqual(before);
    });

    test('end soon when aborted, and leave nothing', async () => {
      const before = await imageIds();
      const containers = async () => list(await engine.get('/containers/json', { all: true })).length;
      const running = await containers();
      const abort = new AbortController();
      const dockerfile = 'FROM busybox:stable\nRUN echo a > /a\nRUN echo begun && sleep 1000\n';
      const outcome = build('aborted', {
        dockerfile,
        signal: abort.signal,
        onOutput: (line) => line === 'begun' && abort.abort(new Error('cancelled')),
      });
      await expect(outcome).rejects.toThrow('cancelled');
      expect(await imageIds()).toEqual(before);
      expect(await containers()).toBe(running);
    });

    test('go with their layers when they are removed', async () => {
      const before = await imageIds();
      const key = { userId, botId: 'layers' };
      for (const revision of [1n, 2n]) {
        const dockerfile = `FROM busybox:stable\nRUN echo common > /common\nRUN echo ${revision} > /own\nCMD ["true"]\n`;
        await build('layers', { dockerfile, revision });
      }
      await runtime.removeImages(key, [imageName(key, 2n)], patience());
      expect(await runtime.hasImage(imageName(key, 1n), patience())).toBe(false);
      expect(await runtime.hasImage(imageName(key, 2n), patience())).toBe(true);
      await runtime.removeImages(key, [], patience());
      expect(await imageIds()).toEqual(before);
    });

    test('that say nothing to run are refused in words of ours', async () => {
      const image = await build('empty', { dockerfile: 'FROM scratch\nCOPY steps.py /\n' });
      await expect(run('empty', image)).rejects.toMatchObject({
        problem: { code: 'CONTAINER_ERROR', message: 'The image does not define a command to run.' },
      });
    });
  });

  test("the data of a bot is removed with its volume, another worker's is not", async () => {
    const image = await build('data', { dockerfile: 'FROM busybox:stable\nCMD ["true"]\n' });
    const key = { userId, botId: 'data' };
    const id = await run('data', image);
    await expect(runtime.removeVolumes(key, patience())).rejects.toMatchObject({
      problem: { code: 'CONTAINER_ERROR' },
    });
    await runtime.remove(id, patience());
    await dockerRuntime(docker, { network, workerId: 'another' }).removeVolumes(key, patience());
    expect(record(await engine.get(`/volumes/${volumeName(key)}`))['Name']).toBe(volumeName(key));
    await runtime.removeVolumes(key, patience());
    await expect(engine.get(`/volumes/${volumeName(key)}`)).rejects.toMatchObject({ status: 404 });
  });

  describe('of a private registry', () => {
    let registry: TestRegistry;
    let right: Secret<{ username: string; password: string }>;
    let wrong: Secret<{ username: string; password: string }>;
    const name = () => `${registry.address}/team/bot`;
    const pull = async (reference: string, choice: Partial<ImagePull> = {}) => {
      const lines: string[] = [];
      const onOutput = (line: string) => lines.push(line);
      const { pinned } = await runtime.pullImage({ userId, reference, pull: false, ...choice, onOutput }, patience());
      return { pinned, lines };
    };
    const forget = () => forgetImages(docker, name());

    beforeAll(async () => {
      registry = await startRegistry(docker.hostAddress);
      const { username, password } = registry;
      right = new Secret({ username, password });
      wrong = new Secret({ username, password: 'wrong-canary' });
      await push(docker, registry, `${name()}`, ['1', 'latest']);
      await forget();
    });
    afterAll(async () => {
      await forget();
      await registry?.close();
    });
    afterEach(() => forget());

    test('hostile 77: are pulled with the right password, pinned by digest, and run', async () => {
      const { pinned, lines } = await pull(`${name()}:1`, { credentials: right });
      expect(pinned).toMatch(new RegExp(`^${name()}@sha256:[0-9a-f]{64}$`));
      expect(lines.join('\n')).toContain('Digest: sha256:');
      expect(lines.length).toBeLessThan(8);
      const plan = botPlan({ key: { userId, botId: 'pulled' }, workerId, language: 'python' });
      const id = await runtime.create({ ...plan, image: pinned, run: { kind: 'image' } }, patience());
      await runtime.start(id, patience());
      await untilExited(runtime, id);
      await runtime.remove(id, patience());
      await forget();
      expect((await pull(pinned, { credentials: right })).pinned).toBe(pinned);
    });

    test('hostile 73: are distinguished: wrong password, no password, absent tag, absent repository', async () => {
      const code = (code: string) => ({ problem: { code } });
      const refused = pull(`${name()}:1`, { credentials: wrong });
      await expect(refused).rejects.toMatchObject(code('REGISTRY_AUTH_FAILED'));
      expect(JSON.stringify(await refused.catch((error: unknown) => [error, String(error)]))).not.toContain('canary');
      await expect(pull(`${name()}:1`)).rejects.toMatchObject(code('REGISTRY_AUTH_FAILED'));
      await expect(pull(`${name()}:absent`, { credentials: right })).rejects.toMatchObject(code('IMAGE_NOT_FOUND'));
      await expect(pull(`${registry.address}/no/such:1`, { credentials: right })).rejects.toMatchObject(
        code('IMAGE_NOT_FOUND'),
      );
    });

    test('hostile 71: are available only to users to whom the registry grants them, checked each time', async () => {
      const code = { problem: { code: 'REGISTRY_AUTH_FAILED' } };
      const first = await pull(`${name()}:1`, { credentials: right });
      await pull(`${name()}:latest`, { credentials: right });
      expect((await pull(`${name()}:1`, { credentials: right })).pinned).toBe(first.pinned);
      expect((await pull(`${name()}:1`, { userId: 'ben', credentials: right })).pinned).toBe(first.pinned);
      // A user who has had it must prove access again, and one user's valid login is no use to another.
      for (const reference of [`${name()}:1`, `${name()}:latest`, first.pinned]) {
        await expect(pull(reference)).rejects.toMatchObject(code);
        await expect(pull(reference, { userId: 'eve' })).rejects.toMatchObject(code);
        await expect(pull(reference, { userId: 'eve', credentials: wrong })).rejects.toMatchObject(code);
      }
      await expect(pull(`${name()}:1`, { credentials: right, pull: true })).resolves.toMatchObject({
        pinned: first.pinned,
      });
    });

    test('stay available to those who had them when the registry is gone', async () => {
      const short = await startRegistry(docker.hostAddress);
      const { username, password, address } = short;
      const other = `${address}/team/bot`;
      const credentials = new Secret({ username, password });
      await push(docker, short, other, ['1']);
      await forgetImages(docker, other);
      const { pinned } = await pull(`${other}:1`, { credentials });
      await short.close();
      expect((await pull(`${other}:1`, { credentials })).pinned).toBe(pinned);
      const eve = pull(`${other}:1`, { userId: 'eve', credentials });
      await expect(eve).rejects.toMatchObject({ problem: { code: 'IMAGE_PULL_FAILED' } });
      await forgetImages(docker, other);
    });

    test("are everybody's where the registry gives them out without a login", async () => {
      const open = await startRegistry(docker.hostAddress, { open: true });
      const other = `${open.address}/team/bot`;
      await push(docker, open, other, ['1']);
      await forgetImages(docker, other);
      await pull(`${other}:1`, { credentials: right });
      await pull(`${other}:1`, { userId: 'ben' });
      await open.close();
      expect((await pull(`${other}:1`, { userId: 'eve' })).lines.join()).toContain('already has');
      await forgetImages(docker, other);
    });

    test('are used, and said to be, when the registry has gone; absent ones are not', async () => {
      const short = await startRegistry(docker.hostAddress);
      const other = `${short.address}/team/bot`;
      await push(docker, short, other, ['1']);
      await short.close();
      const { pinned, lines } = await pull(`${other}:1`, { pull: true, credentials: right });
      expect(pinned).toContain(`${other}@sha256:`);
      expect(lines.join()).toContain('could not be reached');
      await forgetImages(docker, other);
      await expect(pull(`${other}:1`)).rejects.toMatchObject({ problem: { code: 'IMAGE_PULL_FAILED' } });
    });
  });
});
