/** BUILDER_HOST: an engine that an operator runs for builds and nothing else. */
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { list, record, text } from '../../../worker/runtime/docker/answers.ts';
import { createEngineClient } from '../../../worker/runtime/docker/engine-client.ts';
import { dockerRuntime, rawEngine, removeAllOf, separateBuilder } from '../../contract/docker-harness.ts';
import { patience, second } from '../../contract/harness.ts';
import { buildContext } from '../../contract/images.ts';
import { type PrivateEngine, startPrivateEngine } from '../../kit/private-engine/private-engine.ts';
import { usableDocker } from '../../kit/test-docker.ts';

const given = inject('docker');
const docker = usableDocker(given);
const reason =
  'skip' in given
    ? given.skip
    : (docker.podman !== undefined || docker.namespacePath === undefined) && 'a second engine is private, and Docker';

describe.skipIf(reason)('an engine for builds', { timeout: 120 * second }, () => {
  const network = 'hosted';
  const workerId = 'worker-hosted';
  const engine = rawEngine(docker);
  let builds: PrivateEngine;

  beforeAll(async () => {
    builds = await startPrivateEngine();
  }, 60 * second);
  afterAll(async () => {
    await removeAllOf(engine, 'hosted', network);
    await builds?.stop();
  }, 60 * second);

  test('builds what the bots’ engine then has, and keeps nothing of it; the check says what it lacks', async () => {
    const builder = { ...separateBuilder, host: builds.dockerHost };
    const runtime = dockerRuntime(docker, { network, workerId, builder });
    const dockerfile = 'FROM busybox:stable\nRUN echo canary > /secret && echo built\nCMD ["true"]\n';
    const lines: string[] = [];
    const key = { userId: 'hosted', botId: 'built' };
    const image = await buildContext(runtime, { key, workerId, dockerfile, onOutput: (line) => lines.push(line) });
    expect(lines).toContain('built');
    expect(record(record(await engine.get(`/images/${image}/json`))['Config'])['Cmd']).toEqual(['true']);

    const there = createEngineClient(builds.dockerHost);
    const images = list(await there.call({ method: 'GET', path: '/images/json', query: { all: true } }, patience()));
    expect(images.flatMap((one) => list(record(one)['RepoTags']).map(text))).toEqual(['busybox:stable']);
    expect(images).toHaveLength(1);
    const steps = await there.call({ method: 'GET', path: '/containers/json', query: { all: true } }, patience());
    expect(steps).toEqual([]);

    // The same steps again, by another user: none is taken from a cache.
    const again: string[] = [];
    const other = { userId: 'hosted', botId: 'other' };
    await buildContext(runtime, { key: other, workerId, dockerfile, onOutput: (line) => again.push(line) });
    expect(again.join()).not.toMatch(/cache/i);
    expect(again).toContain('built');
    const check = (await runtime.safety(patience())).find(({ name }) => name === 'builder');
    expect(check).toMatchObject({ ok: false, message: expect.stringContaining('CAP_NET_RAW') });
  });
});
