/** What a start of simple mode on Docker finds and brings: /data as it was left, and the code of its version. */
import { afterAll, afterEach, describe, expect, inject, test } from 'vitest';
import { systemClock } from '#common/clock.ts';
import { botHash, imageName, volumeName } from '#common/ids.ts';
import { buildLabel } from '../../worker/images/dockerfile.ts';
import { list, record, text, texts } from '../../worker/runtime/docker/answers.ts';
import { plainName } from '../../worker/runtime/docker/images.ts';
import { eventually } from '../kit/eventually.ts';
import { usableDocker } from '../kit/test-docker.ts';
import { dockerRuntime, rawEngine, removeAllOf } from './docker-harness.ts';
import { botPlan, buildBot, patience, second, untilPrinted } from './harness.ts';
import type { Step } from './steps.ts';

const given = inject('docker');
const docker = usableDocker(given);
const isPodman = docker.podman !== undefined;
/** More than what is copied in no time, so that engines of today make such an image too. */
const much = new Uint8Array(9 * 1024 * 1024);

describe.skipIf('skip' in given)('code and data on a Docker engine', { timeout: 120 * second }, () => {
  const userId = 'docker-code';
  const workerId = 'worker-c';
  const network = 'contract_code';
  const engine = rawEngine(docker);
  // Far ahead of the engine, so that what has just changed counts as long settled.
  const clock = { ...systemClock, wallMs: () => Date.now() + 3_600_000 };
  const runtime = dockerRuntime(docker, { network, workerId, clock });
  const planOf = (botId: string, steps: readonly Step[], revision = 1n) =>
    botPlan({ key: { userId, botId }, workerId, language: 'python', steps, revision });
  const run = async (botId: string, steps: readonly Step[], revision?: bigint) => {
    const id = await runtime.create(planOf(botId, steps, revision), patience());
    await runtime.start(id, patience());
    return id;
  };
  afterEach(async () => {
    for (const { id } of await runtime.list(patience())) await runtime.remove(id, patience());
  });
  afterAll(() => removeAllOf(engine, userId, network));

  test('a bot owns its /data again that an operator gave away while it was stopped', async () => {
    const botId = 'given-away';
    const key = { userId, botId };
    await buildBot(runtime, 'python', { key, workerId });
    const first = await run(botId, [['touch', '/data/kept']]);
    await untilPrinted(runtime, first, 'wrote /data/kept');
    await runtime.remove(first, patience());
    // Later than the last change by a second, as by hand: the times that Docker 20.10 gives are whole ones.
    const give = 'until [ $(date +%s) -gt $(stat -c %Z /data) ]; do sleep 0.1; done; chown 0:0 /data';
    const Mounts = [{ Type: 'volume', Source: volumeName(key), Target: '/data' }];
    const body = { Image: 'busybox:stable', Cmd: ['sh', '-c', give], HostConfig: { Mounts } };
    const hand = text(record(await engine.post('/containers/create', {}, body))['Id']);
    await engine.post(`/containers/${hand}/start`, {});
    await eventually(
      'it is given away',
      async () => record(record(await engine.get(`/containers/${hand}/json`))['State']),
      ({ Status }) => Status === 'exited',
      { timeoutMs: 30 * second },
    );
    await engine.remove(`/containers/${hand}`);
    const next = await run(botId, [
      ['exists', '/data/kept'],
      ['touch', '/data/new'],
    ]);
    await untilPrinted(runtime, next, '/data/kept yes');
    await untilPrinted(runtime, next, 'wrote /data/new');
    await runtime.remove(next, patience());
    // Nobody has touched it since.
    await untilPrinted(runtime, await run(botId, [['touch', '/data/newer']]), 'wrote /data/newer');
    expect(await runtime.hasImage(imageName(key, 1n), patience())).toBe(true);
  });

  describe('the image with the code of a version that stays up', () => {
    const withCode = (botId: string, revision: bigint) => `${imageName({ userId, botId }, revision)}-code`;
    const imageOfContainer = async (id: string) =>
      plainName(text(record(record(await engine.get(`/containers/${id}/json`))['Config'])['Image']));
    const build = (botId: string, revision: bigint, text: string, reuse = false) => {
      const key = { userId, botId };
      return buildBot(runtime, 'python', { key, workerId, revision, reuse, files: { 'v.txt': text, pad: much } });
    };
    const traces = async () => {
      const filters = { label: [buildLabel] };
      const images = list(await engine.get('/images/json', { all: true, filters })).map(record);
      const containers = list(await engine.get('/containers/json', { all: true, filters })).map(record);
      const ours = [...images, ...containers].filter(({ Labels }) =>
        texts(Labels)[buildLabel]?.startsWith(`${workerId}.`),
      );
      return ours.map(({ Id }) => text(Id)).toSorted();
    };

    test('is what its next containers are made of, is kept with it, and goes with it', async () => {
      const botId = 'settled';
      const key = { userId, botId };
      const before = await traces();
      const first = await build(botId, 1n, 'one\n');
      const copied = await run(botId, [['file', 'v.txt']]);
      await untilPrinted(runtime, copied, 'one');
      expect(await imageOfContainer(copied)).toBe(first);
      await runtime.settleImage(key, first, patience());
      await runtime.remove(copied, patience());
      expect(await runtime.hasImage(first, patience())).toBe(true);
      const settings = await runtime.settingsOf(planOf(botId, []), patience());
      // Another process finds it too; it is made of it with the same settings.
      const later = dockerRuntime(docker, { network, workerId });
      const ready = await later.create(
        planOf(botId, [
          ['file', 'v.txt'],
          ['touch', 'beside'],
        ]),
        patience(),
      );
      await later.start(ready, patience());
      await untilPrinted(later, ready, 'one');
      await untilPrinted(later, ready, 'wrote beside');
      expect(await imageOfContainer(ready)).toBe(isPodman ? first : withCode(botId, 1n));
      expect(await later.settingsOf(planOf(botId, []), patience())).toBe(settings);
      // The next version has the same packages, and its own code.
      await build(botId, 2n, 'two\n', true);
      await runtime.removeImages(key, [imageName(key, 2n)], patience());
      expect(await runtime.hasImage(first, patience())).toBe(true);
      await later.remove(ready, patience());
      await untilPrinted(runtime, await run(botId, [['file', 'v.txt']], 2n), 'two');
      await runtime.removeImages(key, [imageName(key, 2n)], patience());
      expect(await runtime.hasImage(first, patience())).toBe(false);
      for (const { id } of await runtime.list(patience())) await runtime.remove(id, patience());
      await runtime.removeImages(key, [], patience());
      expect(await traces()).toEqual(before);
    });

    test('is missed when somebody removed it: then the version is to be made again', async ({ skip }) => {
      if (isPodman) skip('Podman has no such images here');
      const botId = 'pruned-code';
      const key = { userId, botId };
      const image = await build(botId, 1n, 'one\n');
      await runtime.settleImage(key, image, patience());
      await engine.remove(`/images/${withCode(botId, 1n)}`);
      expect(await runtime.hasImage(image, patience())).toBe(false);
      await expect(run(botId, [])).rejects.toMatchObject({ problem: { code: 'IMAGE_NOT_FOUND' } });
      expect(await runtime.list(patience())).toEqual([]);
      await build(botId, 1n, 'again\n', true);
      // Twice: as after a worker that was killed in between.
      await runtime.settleImage(key, image, patience());
      await build(botId, 1n, 'changed\n', true);
      await untilPrinted(runtime, await run(botId, [['file', 'v.txt']]), 'changed');
      await runtime.settleImage(key, image, patience());
      for (const { id } of await runtime.list(patience())) await runtime.remove(id, patience());
      await untilPrinted(runtime, await run(botId, [['file', 'v.txt']]), 'changed');
    });

    test('leaves nothing half-made when it is given up, nor when a worker is killed over it', async () => {
      const botId = 'given-up';
      const key = { userId, botId };
      const image = await build(botId, 1n, 'one\n');
      const before = await traces();
      const abort = new AbortController();
      const settling = runtime.settleImage(key, image, abort.signal).catch((error: unknown) => error);
      await eventually('it has begun, or is done', traces, (now) => now.length > before.length || isPodman, {
        timeoutMs: 30 * second,
        everyMs: 1,
      });
      abort.abort(new Error('given up'));
      await settling;
      await runtime.removeImages(key, [image], patience());
      const scope = `${workerId}.${botHash(key)}`;
      const left = { Image: image, Cmd: ['true'], Labels: { [buildLabel]: scope, bot_runner: '', worker_id: '' } };
      const step = text(record(await engine.post('/containers/create', {}, left))['Id']);
      expect(await runtime.list(patience())).toEqual([]);
      await untilPrinted(runtime, await run(botId, [['file', 'v.txt']]), 'one');
      await engine.remove(`/containers/${step}`);
      for (const { id } of await runtime.list(patience())) await runtime.remove(id, patience());
      await runtime.removeImages(key, [], patience());
      const filters = { label: [`bot_id=${botId}`] };
      expect(await engine.get('/images/json', { filters })).toEqual([]);
    });
  });
});
