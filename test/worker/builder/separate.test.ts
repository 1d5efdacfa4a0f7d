/** BUILDER=separate on a real engine: what a hostile Dockerfile finds there, and what is left of it. */
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { imageName } from '#common/ids.ts';
import { ProblemError } from '#common/problem.ts';
import type { ContainerRuntime } from '../../../worker/runtime/container-runtime.ts';
import { list, record, text } from '../../../worker/runtime/docker/answers.ts';
import type { BuilderOptions } from '../../../worker/runtime/docker/builder/make-builders.ts';
import { dockerRuntime, rawEngine, removeAllOf, removeNetworks } from '../../contract/docker-harness.ts';
import { patience, second } from '../../contract/harness.ts';
import { buildContext } from '../../contract/images.ts';
import { builderImageName } from '../../kit/builder-image.ts';
import { eventually } from '../../kit/eventually.ts';
import { usableDocker } from '../../kit/test-docker.ts';
import { buildersOf, damage, inBuilder, storeOf } from './builders.ts';

const given = inject('docker');
const docker = usableDocker(given);
const reason = 'skip' in given ? given.skip : docker.podman !== undefined && 'Podman has no separate builder';

const network = 'separate';
const workerId = 'worker-separate';
const mib = 1024 * 1024;
const builder: BuilderOptions = {
  setting: 'separate',
  image: builderImageName,
  // The most processes there may be take about 130 MiB: with less, memory might be the first limit that a fork bomb reaches.
  limits: { memoryBytes: 256 * mib, cpuMillis: 2000, diskBytes: 256 * mib },
  lent: ['busybox:stable'],
};

describe.skipIf(reason)('a builder of the user’s own', { timeout: 120 * second }, () => {
  const engine = rawEngine(docker);
  const dir = mkdtempSync(join(tmpdir(), 'separate-'));
  const buildSettings = { httpsProxy: `http://operator:canary-pass@${docker.hostAddress}:1` };
  let runtime: ContainerRuntime;
  let revision = 0;

  beforeAll(() => {
    runtime = dockerRuntime(docker, { network, workerId, builder, buildSettings });
  });
  afterAll(async () => {
    await runtime.shutdown(30 * second);
    for (const userId of ['mallory', 'alice']) await removeAllOf(engine, userId, network);
    rmSync(dir, { recursive: true });
  }, 60 * second);

  /** What the build printed; its problem when it failed. */
  async function build(userId: string, dockerfile: string, botId = 'built') {
    const lines: string[] = [];
    revision += 1;
    const signal = patience();
    const choice = { key: { userId, botId }, workerId, revision: BigInt(revision), dockerfile, signal };
    const problem = await buildContext(runtime, { ...choice, onOutput: (line) => lines.push(line) }).then(
      () => undefined,
      (error: unknown) => {
        if (error instanceof ProblemError) return error.problem;
        throw error;
      },
    );
    return { lines, problem, image: imageName(choice.key, choice.revision) };
  }

  test('makes an image like any other, and gives its steps neither the builder’s engine nor a raw socket', async () => {
    const { lines, problem, image } = await build(
      'mallory',
      `FROM busybox:stable
RUN ls /run/bot-runner /run/docker.sock /var/run/docker.sock /store /dev/loop-control 2>/dev/null; echo "looked"
RUN ping -c 1 -w 1 127.0.0.1 2>&1 || echo "no raw socket"
RUN for host in 198.18.0.1 127.0.0.1; do for port in 2375 2376 80 53; do nc -w 1 $host $port </dev/null >/dev/null 2>&1 && echo "reached $host $port"; done; done; echo probed
RUN env; cat /proc/1/environ /proc/self/environ | tr '\\0' '\\n'; grep CapBnd /proc/self/status
CMD ["true"]
`,
    );
    expect(problem).toBeUndefined();
    const printed = lines.filter((line) => !line.startsWith('Step '));
    expect(printed.slice(printed.indexOf('looked') - 1)).toContain('looked');
    expect(printed.filter((line) => /^(\/|reached|docker\.sock|daemon\.json)/.test(line))).toEqual([]);
    expect(printed).toContain('no raw socket');
    expect(printed).toContain('probed');
    // The capabilities of a container without CAP_NET_RAW, which is bit 13.
    const bounding = printed.find((line) => line.startsWith('CapBnd'))?.split('\t')[1] ?? '';
    expect(BigInt(`0x${bounding}`) & (1n << 13n)).toBe(0n);
    expect(printed).toContain(`HTTPS_PROXY=http://${docker.hostAddress}:1`);
    const inspected = JSON.stringify([
      await engine.get(`/images/${image}/json`),
      await engine.get(`/images/${image}/history`),
      await engine.get(`/containers/${(await buildersOf(engine, workerId, 'mallory')).at(0)}/json`),
    ]);
    expect(inspected + lines.join()).not.toContain('canary');
    expect(record(record(await engine.get(`/images/${image}/json`))['Config'])['Labels']).toMatchObject({
      user_id: 'mallory',
      bot_id: 'built',
      worker_id: workerId,
    });
  });

  test('keeps no image that it made, so that those of many bots do not fill it, and still has their steps in its cache', async () => {
    const dockerfile = 'FROM busybox:stable\nRUN echo kept > /kept\nCMD ["true"]\n';
    const fromCache = /RUN echo kept > \/kept\nCACHED/;
    const first = await build('mallory', dockerfile);
    expect(first.problem).toBeUndefined();
    expect(first.lines.join('\n')).not.toMatch(fromCache);
    const [his = ''] = await buildersOf(engine, workerId, 'mallory');
    expect(await inBuilder(docker.host, his, ['images', '--all', '--format', '{{.Repository}}'])).toBe('busybox');
    expect((await build('mallory', dockerfile)).lines.join('\n')).toMatch(fromCache);
  });

  test('hostile 48, 72: has no image of bots, of other users or of the operator, whatever the Dockerfile calls them', async () => {
    const hers = await build('alice', 'FROM busybox:stable\nRUN echo canary-of-alice > /secret\nCMD ["true"]\n');
    expect(hers.problem).toBeUndefined();
    const id = text(record(await engine.get(`/images/${hers.image}/json`))['Id']).replace('sha256:', '');
    await engine.post(`/images/${hers.image}/tag`, { repo: 'company/secret', tag: '1' });
    const attempts = [
      ...[id.slice(0, 6), `sha256:${id}`, hers.image].map((name) => `FROM ${name}\nRUN cat /secret\n`),
      `FROM busybox:stable\nCOPY --from=${hers.image} /secret /secret\nRUN cat /secret\n`,
      `ARG BASE=${id.slice(0, 12)}\nFROM \${BASE}\nRUN cat /secret\n`,
      'FROM company/secret:1\nRUN cat /secret\n',
    ];
    // At the same time: each waits for a registry that is not there.
    const outcomes = await Promise.all(
      attempts.map(async (dockerfile, at) => ({ dockerfile, ...(await build('mallory', dockerfile, `peeks-${at}`)) })),
    );
    for (const { dockerfile, problem, lines } of outcomes) {
      expect({ dockerfile, code: problem?.code }).toEqual({ dockerfile, code: 'BUILD_FAILED' });
      expect(lines.join()).not.toContain('canary-of-alice');
    }
    // Not because we refuse the names: they are not there.
    const [his = ''] = await buildersOf(engine, workerId, 'mallory');
    const images = await inBuilder(docker.host, his, [
      'images',
      '--all',
      '--no-trunc',
      '--format',
      '{{.ID}} {{.Repository}}',
    ]);
    expect(images).toContain('busybox');
    expect(images).not.toContain(id);
    expect(images).not.toContain('company');
  });

  test('is proved to be safe by one that is made for it', async () => {
    const checks = await runtime.safety(patience());
    const check = checks.find(({ name }) => name === 'builder');
    expect(check).toMatchObject({ ok: true, message: expect.stringContaining('apart from') });
    const own = dockerRuntime(docker, { network, workerId });
    expect(await own.safety(patience())).toContainEqual(
      expect.objectContaining({ name: 'builder', ok: false, hint: expect.stringContaining('BUILDER=separate') }),
    );
  });

  test('hostile 50: keeps what is too much to itself: processes, memory and disk, while another user builds', async () => {
    const [bomb, hers] = await Promise.all([
      build(
        'mallory',
        // Counted by the shell itself, which could start no program for it.
        `FROM busybox:stable
RUN (i=0; while [ $i -lt 1200 ]; do sleep 300 & i=$((i+1)); done); set -- /proc/[0-9]*; echo "processes=$#"; exit 1
`,
      ),
      build('alice', 'FROM busybox:stable\nRUN echo hers\nCMD ["true"]\n'),
    ]);
    expect(bomb.problem).toMatchObject({ code: 'BUILD_FAILED', message: expect.stringContaining('another process') });
    const counted = /^processes=(\d+)$/m.exec(bomb.lines.join('\n'))?.[1];
    expect(Number(counted)).toBeGreaterThan(900);
    expect(Number(counted)).toBeLessThanOrEqual(1024);
    expect(hers.problem).toBeUndefined();
    const hog = await build('mallory', 'FROM busybox:stable\nRUN tail /dev/zero\n');
    expect(hog.problem).toMatchObject({ code: 'BUILD_FAILED', message: expect.stringContaining('killed') });
    const filler = await build('mallory', 'FROM busybox:stable\nRUN dd if=/dev/zero of=/filler bs=1M count=400\n');
    expect(filler.problem?.code).toBe('BUILD_FAILED');
    expect(filler.lines.join('\n')).toMatch(/No space left on device/i);
    const after = await build('mallory', 'FROM busybox:stable\nRUN echo still here\nCMD ["true"]\n');
    expect(after.problem).toBeUndefined();
  });

  test('has nothing running when a build was cancelled, and is replaced when somebody removes it', async () => {
    const enough = new AbortController();
    const lines: string[] = [];
    const building = buildContext(runtime, {
      key: { userId: 'mallory', botId: 'endless' },
      workerId,
      dockerfile: 'FROM busybox:stable\nRUN echo begun; sleep 900\n',
      onOutput: (line) => lines.push(line),
      signal: enough.signal,
    });
    const ended = building.catch((error: unknown) => error);
    await eventually(
      'the step runs',
      () => lines.includes('begun'),
      (begun) => begun,
      { timeoutMs: 60 * second },
    );
    enough.abort(new Error('cancelled'));
    expect(await ended).toMatchObject({ message: 'cancelled' });
    const [his = ''] = await buildersOf(engine, workerId, 'mallory');
    const running = () => inBuilder(docker.host, his, ['ps', '--all', '--quiet']);
    await eventually('no step runs', running, (shown) => shown === '', { timeoutMs: 30 * second });

    const store = await storeOf(engine, workerId, 'mallory');
    await engine.remove(`/containers/${his}`, { force: true });
    // The disk that it left is damaged: its next builder has a new one, of a fixed size as well.
    if (existsSync(store)) damage(join(store, 'disk.img'));
    expect((await build('mallory', 'FROM busybox:stable\nRUN echo again\nCMD ["true"]\n')).problem).toBeUndefined();
    if (existsSync(store)) expect(readdirSync(store)).toEqual(['disk.img']);
    // A worker that was killed leaves its builder; the next one does not use what it did not make.
    const [left = ''] = await buildersOf(engine, workerId, 'mallory');
    const next = dockerRuntime(docker, { network, workerId, builder });
    try {
      await buildContext(next, {
        key: { userId: 'alice', botId: 'next' },
        workerId,
        dockerfile: 'FROM busybox:stable\nCMD ["true"]\n',
      });
      expect(await buildersOf(engine, workerId, 'mallory')).toEqual([]);
      expect(left).not.toBe('');
    } finally {
      await next.shutdown(30 * second);
    }
    expect(
      list(await engine.get('/containers/json', { all: true, filters: { label: ['bot_runner.builder'] } })),
    ).toEqual([]);
    await removeNetworks(engine, network);
  });
});
