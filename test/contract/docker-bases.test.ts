import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { imageName } from '#common/ids.ts';
import { Secret } from '#common/secret.ts';
import { record, text } from '../../worker/runtime/docker/answers.ts';
import { startRegistry, type TestRegistry } from '../kit/registry/registry.ts';
import { usableDocker } from '../kit/test-docker.ts';
import { dockerRuntime, rawEngine, removeAllOf } from './docker-harness.ts';
import { patience, second } from './harness.ts';
import { buildContext } from './images.ts';
import { forgetImages, push } from './pushed-images.ts';

const given = inject('docker');
const docker = usableDocker(given);

describe.skipIf('skip' in given)('what a Dockerfile names', { timeout: 120 * second }, () => {
  const userId = 'docker-bases';
  const workerId = 'worker-b';
  const network = 'contract_bases';
  const secretStep = 'RUN echo canary > /canary\n';
  const engine = rawEngine(docker);
  const runtime = dockerRuntime(docker, {
    network,
    workerId,
    resolve: async () => [{ address: '10.0.0.1', family: 4 as const }],
  });
  let registry: TestRegistry;
  /** A part of the id of another user's image. */
  let partOfId: string;
  /** As engines show it. */
  let shortId: string;
  const privateName = () => `${registry.address}/team/secret:1`;
  const build = (botId: string, dockerfile: string, user = userId) =>
    buildContext(runtime, { key: { userId: user, botId }, workerId, dockerfile });

  beforeAll(async () => {
    registry = await startRegistry(docker.hostAddress);
    const victim = await build('victim', `FROM busybox:stable\n${secretStep}CMD ["true"]\n`);
    const id = text(record(await engine.get(`/images/${victim}/json`))['Id']);
    shortId = id.replace('sha256:', '').slice(0, 12);
    partOfId = id.replace('sha256:', '').slice(0, 11);
    await push(docker, registry, `${registry.address}/team/secret`, ['1']);
    await forgetImages(docker, `${registry.address}/team/secret`);
    const { username, password } = registry;
    const pull = { userId: 'ann', reference: privateName(), pull: false, onOutput: () => {} };
    await runtime.pullImage({ ...pull, credentials: new Secret({ username, password }) }, patience());
    // Made elsewhere, with a step that the engine would carry out in whatever builds on it.
    const trap = { repo: 'trap', tag: '1', changes: [`ONBUILD COPY --from=${partOfId} / /stolen`] };
    const made = record(await engine.post('/containers/create', {}, { Image: 'busybox:stable', Cmd: ['true'] }));
    await engine.post('/commit', { ...trap, container: text(made['Id']) });
    await engine.remove(`/containers/${text(made['Id'])}`);
  }, 60 * second);
  afterAll(async () => {
    await forgetImages(docker, `${registry.address}/team/secret`);
    await engine.remove('/images/trap:1');
    await removeAllOf(engine, userId, network);
    await registry.close();
  }, 60 * second);

  test.each<[string, () => string, RegExp]>([
    ['FROM a part of an id', () => `FROM ${partOfId}\n`, /may not be used as a base/],
    ['FROM the short id', () => `FROM ${shortId}\n`, /is given by a part of its id/],
    ['FROM a whole id', () => `FROM sha256:${shortId}\n`, /is given by its id/],
    ['COPY --from of an id', () => `FROM busybox:stable\nCOPY --from=${partOfId} / /\n`, /may not be used as a base/],
    [
      'ONBUILD COPY --from of a private image',
      () => {
        const stage = `FROM busybox:stable AS a\nONBUILD COPY --from=${privateName()} / /stolen\n`;
        return `${stage}FROM a\n`;
      },
      /address of this registry|needs a login/,
    ],
    ['an image that brings such a step', () => 'FROM trap:1\n', /brings steps of its own/],
    ['an address of this machine', () => 'FROM 127.0.0.1:5000/x\n', /address of this registry/],
    ['a private address', () => 'FROM busybox:stable\nCOPY --from=192.168.0.1/x / /\n', /address of this registry/],
    ['a name that has a private address', () => 'FROM registry.example/x\n', /address/],
  ])('is refused: %s', async (_, dockerfile, message) => {
    await expect(build('thief', dockerfile())).rejects.toMatchObject({
      problem: { code: 'BUILD_FAILED', message: expect.stringMatching(message) },
    });
    expect(await runtime.hasImage(imageName({ userId, botId: 'thief' }, 1n), patience())).toBe(false);
  });

  test('hostile 71: is not what another user pulled with a login, unless the registry gives it out without', async () => {
    const allowed = dockerRuntime(docker, { network, workerId, fetchAllow: [registry.address] });
    const { username, password } = registry;
    const pull = { reference: privateName(), pull: false, onOutput: () => {} };
    const ann = { ...pull, userId: 'ann', credentials: new Secret({ username, password }) };
    await allowed.pullImage({ ...ann, pull: true }, patience());
    const dockerfile = `FROM ${privateName()}\nCMD ["true"]\n`;
    const built = buildContext(allowed, { key: { userId, botId: 'thief' }, workerId, dockerfile });
    await expect(built).rejects.toMatchObject({
      problem: { code: 'BUILD_FAILED', message: expect.stringContaining('requires credentials') },
    });
  });
});
