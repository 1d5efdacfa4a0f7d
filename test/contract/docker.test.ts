import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, describe, expect, inject, test } from 'vitest';
import { botHash, containerName, imageName, volumeName } from '#common/ids.ts';
import { ProblemError } from '#common/problem.ts';
import { record, texts } from '../../worker/runtime/docker/answers.ts';
import { type TestDocker, usableDocker } from '../kit/test-docker.ts';
import { describeContainerRuntime } from './container-runtime.ts';
import {
  createDockerHarness,
  dockerRuntime,
  networkOf,
  rawEngine,
  removeAllOf,
  removeNetworks,
} from './docker-harness.ts';
import { botPlan, buildBot, patience, readAll, second, textsOf, untilExited, untilPrinted } from './harness.ts';
import { npmPackage, startNpmRegistry } from './npm-registry.ts';
import type { Step } from './steps.ts';

const given = inject('docker');
const docker = usableDocker(given);

describe.skipIf('skip' in given)('on a Docker engine', () => {
  describeContainerRuntime('the docker runtime', () => createDockerHarness(docker, 'python', 'contract_suite'));
  describeDocker(docker);
});

function describeDocker(docker: TestDocker): void {
  describe('the docker runtime', { timeout: 120 * second }, () => {
    const network = 'contract_docker';
    const userId = 'docker-contract';
    const workerId = 'worker-d';
    const engine = rawEngine(docker);
    const runtime = dockerRuntime(docker, { network, workerId });
    const plain = { userId, botId: 'plain' };
    let built: Promise<string> | undefined;
    let count = 0;

    const plainImage = () => {
      built ??= buildBot(runtime, 'python', { key: plain, workerId });
      return built;
    };
    const run = async (steps: readonly Step[], choice: { memoryBytes?: number; botId?: string } = {}) => {
      count += 1;
      const key = { userId, botId: choice.botId ?? `bot-${count}` };
      const plan = botPlan({ key, workerId, language: 'python', steps, ...choice });
      const id = await runtime.create({ ...plan, image: await plainImage() }, patience());
      await runtime.start(id, patience());
      return id;
    };
    afterEach(async () => {
      for (const { id } of await runtime.list(patience())) await runtime.remove(id, patience());
    });
    afterAll(() => removeAllOf(engine, userId, network));

    test('makes containers with every limit that is promised', async () => {
      const key = { userId, botId: 'limits' };
      const id = await run([['print', 'ready']], { botId: 'limits', memoryBytes: 64 * 1024 * 1024 });
      const facts = record(await engine.get(`/containers/${id}/json`));
      const own = await networkOf(engine, network, userId);
      expect(facts['Name']).toBe(`/${containerName(key)}`);
      expect(facts['HostConfig']).toMatchObject({
        Privileged: false,
        PidsLimit: 128,
        Memory: 64 * 1024 * 1024,
        MemorySwap: 64 * 1024 * 1024,
        NanoCpus: 1_000_000_000,
        Init: true,
        RestartPolicy: { Name: 'no' },
        AutoRemove: false,
        PublishAllPorts: false,
        ...asToldBack(docker, own, volumeName(key)),
      });
      expect(Object.keys(record(record(facts['NetworkSettings'])['Networks']))).toEqual([own]);
      expect(facts['Config']).toMatchObject({
        User: '10001:10001',
        Hostname: botHash(key),
        WorkingDir: '/app',
        Cmd: ['python', '-u', 'steps.py'],
        Tty: false,
        // Podman leaves out what it does not have.
        ...(docker.podman === undefined && { Entrypoint: null, Healthcheck: { Test: ['NONE'] } }),
      });
      const labels = texts(record(facts['Config'])['Labels']);
      expect(Object.keys(labels).toSorted()).toEqual(
        [
          // The builder of Podman leaves its version in the image.
          ...(docker.podman === undefined ? [] : ['io.buildah.version']),
          'bot_runner',
          'bot_runner.build',
          'user_id',
          'bot_id',
          'worker_id',
          'generation',
          'epoch',
          'started_at',
          'settings',
          'sig',
        ].toSorted(),
      );
      const made = record(await engine.get(`/networks/${own}`));
      // Podman has no such option, and does not keep the members of a network apart.
      if (docker.podman === undefined)
        expect(made['Options']).toMatchObject({ 'com.docker.network.bridge.enable_icc': 'false' });
    });

    test('hostile 81: lets the kernel see these limits inside', async () => {
      await untilPrinted(runtime, await run([['file', '/proc/self/status']]), 'NoNewPrivs:\t1');
      const id = await run([
        ['file', '/proc/self/status'],
        ['file', '/proc/self/limits'],
        ['print', 'ready'],
      ]);
      await untilPrinted(runtime, id, 'ready');
      const lines = textsOf((await readAll(runtime, id)).lines);
      expect(lines).toContain('Uid:\t10001\t10001\t10001\t10001');
      expect(lines).toContain('CapEff:\t0000000000000000');
      expect(lines).toContain('Seccomp:\t2');
      expect(lines.find((line) => line.startsWith('Max open files'))).toMatch(/4096 +4096/);
      expect(lines.find((line) => line.startsWith('Max core file size'))).toMatch(/ 0 +0/);
    });

    test('gives a bot folders of its own to write to, of which /data outlives the container', async () => {
      const paths = ['/app/state.db', '/data/state.db', '/home/bot/.cache', '/tmp/x'];
      const steps: Step[] = paths.map((path) => ['touch', path]);
      const first = await run([...steps, ['exit', 0]], { botId: 'writer' });
      await untilExited(runtime, first);
      expect(textsOf((await readAll(runtime, first)).lines)).toEqual(paths.map((path) => `wrote ${path}`));
      await runtime.remove(first, patience());
      const look: Step[] = paths.map((path) => ['exists', path]);
      const seen = async () => {
        const next = await run([...look, ['exit', 0]], { botId: 'writer' });
        await untilExited(runtime, next);
        const { lines } = await readAll(runtime, next);
        await runtime.remove(next, patience());
        return textsOf(lines);
      };
      expect(await seen()).toEqual(['/app/state.db no', '/data/state.db yes', '/home/bot/.cache no', '/tmp/x no']);
      await runtime.removeVolumes({ userId, botId: 'writer' }, patience());
      expect(await seen()).toEqual(paths.map((path) => `${path} no`));
    });

    test('hostile 82: distinguishes an end for lack of memory from others', async ({ skip }) => {
      if (docker.podman?.startsWith('4.'))
        skip('conmon 2.1.6, which Podman 4.3 has, does not tell it of lack of memory');
      const id = await run(
        [
          ['eat', 200],
          ['exit', 0],
        ],
        { memoryBytes: 32 * 1024 * 1024 },
      );
      expect(await untilExited(runtime, id)).toMatchObject({ exitCode: 137, oomKilled: true });
    });

    test('hostile 84: marks the gap when a flood outruns the rotation of the log, and repeats nothing', async () => {
      const total = 400_000;
      const id = await run([
        ['count', total],
        ['print', 'done'],
      ]);
      let next = 0;
      let cursor: string | undefined;
      let last = '';
      while (last !== 'done') {
        const batch = await runtime.readOutput(id, cursor, 4_000_000, patience());
        cursor = batch.cursor;
        let mayJump = batch.gap;
        for (const text of textsOf(batch.lines)) {
          last = text;
          const index = text === 'done' ? total : Number(text.replace('line ', ''));
          if (index !== next) expect({ index, next, mayJump }).toMatchObject({ mayJump: true });
          expect(index).toBeGreaterThanOrEqual(next);
          next = index + 1;
          mayJump = false;
        }
      }
    });

    test('installs requirements for Python and Node where the bot finds them', async () => {
      const key = { userId, botId: 'requires' };
      await buildBot(runtime, 'python', { key, workerId, requirements: ['aiogram>=3.0,<3.4'] });
      const id = await runtime.create(
        botPlan({ key, workerId, language: 'python', steps: [['import', 'aiogram']] }),
        patience(),
      );
      await runtime.start(id, patience());
      await untilPrinted(runtime, id, /^aiogram 3\.[0-3]\./);
      await runtime.remove(id, patience());

      const registry = await startNpmRegistry(docker.hostAddress);
      try {
        const npm = dockerRuntime(docker, { network, workerId, buildSettings: { npmRegistry: registry.url } });
        const files = { 'greet.mjs': `import text from '${npmPackage}'; console.log(text);` };
        await buildBot(npm, 'node', { key, workerId, revision: 2n, requirements: [npmPackage], files });
        const plan = botPlan({ key, workerId, language: 'node', revision: 2n });
        const greeter = await npm.create(
          { ...plan, run: { kind: 'simple', language: 'node', entrypoint: 'greet.mjs' } },
          patience(),
        );
        await npm.start(greeter, patience());
        await untilPrinted(npm, greeter, 'hello from the package');
      } finally {
        await registry.close();
      }
    });

    test('runs a Node bot, which gets SIGTERM', async () => {
      const key = { userId, botId: 'node' };
      await buildBot(runtime, 'node', { key, workerId });
      const id = await runtime.create(
        botPlan({ key, workerId, language: 'node', steps: [['print', 'ready']] }),
        patience(),
      );
      await runtime.start(id, patience());
      await untilPrinted(runtime, id, 'ready');
      await runtime.stop(id, 10 * second, patience());
      expect(await runtime.inspect(id, patience())).toMatchObject({ exitCode: 0 });
    });

    test('installs nothing when only the code changes', async () => {
      const key = { userId, botId: 'layers' };
      const requirements = ['aiogram>=3.0'];
      const lines: string[] = [];
      await buildBot(runtime, 'python', { key, workerId, requirements });
      await buildBot(runtime, 'python', {
        key,
        workerId,
        requirements,
        revision: 2n,
        files: { 'new.py': '' },
        onOutput: (line) => lines.push(line),
      });
      expect(lines).toEqual(['the packages are the same as before: they are not installed again']);
    });

    test('has no operator credential in the output of a build', async () => {
      const url = new URL(docker.pipIndexUrl);
      url.username = 'operator';
      url.password = 'canary-pass';
      const credentialed = dockerRuntime(docker, { network, workerId, buildSettings: { pipIndexUrl: url.href } });
      const lines: string[] = [];
      const key = { userId, botId: 'credential' };
      const build = buildBot(credentialed, 'python', {
        key,
        workerId,
        requirements: ['nothing-like-this'],
        onOutput: (line) => lines.push(line),
      });
      const error = await build.catch((reason: unknown) => reason);
      expect(error).toMatchObject({
        problem: { code: 'BUILD_FAILED', message: expect.stringContaining('nothing-like-this') },
      });
      expect(lines.length).toBeGreaterThan(3);
      expect(JSON.stringify([error, lines])).not.toContain('canary-pass');
    });

    test('distinguishes an absent base image from a registry that cannot be reached', async () => {
      const registry = await listen(
        createServer((_request, response) =>
          response
            .writeHead(404, { 'content-type': 'application/json' })
            .end('{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}'),
        ),
        docker.hostAddress,
      );
      const key = { userId, botId: 'base' };
      const codeWith = async (python: string) => {
        const bases = { python, node: python };
        const error = await buildBot(dockerRuntime(docker, { network, workerId, bases }), 'python', {
          key,
          workerId,
        }).catch((reason: unknown) => reason);
        if (!(error instanceof ProblemError)) throw error;
        return error.problem.code;
      };
      expect(await codeWith(`${docker.hostAddress}:${registry.port}/absent:1`)).toBe('IMAGE_NOT_FOUND');
      await registry.close();
      expect(await codeWith(`${docker.hostAddress}:${registry.port}/absent:1`)).toBe('IMAGE_PULL_FAILED');
      expect(await runtime.hasImage(imageName(key, 1n), patience())).toBe(false);
    });

    test('shows by exit code and output when the image lacks the program', async () => {
      const key = { userId, botId: 'noprogram' };
      await buildBot(runtime, 'node', { key, workerId });
      const id = await runtime.create(botPlan({ key, workerId, language: 'python' }), patience());
      await runtime.start(id, patience());
      // The init of Docker is tini, that of Podman catatonit.
      const isDocker = docker.podman === undefined;
      expect(await untilExited(runtime, id)).toMatchObject({ exitCode: isDocker ? 127 : 1 });
      const printed = textsOf((await readAll(runtime, id)).lines).join();
      expect(printed).toContain(isDocker ? 'exec python failed' : 'failed to exec pid1: No such file or directory');
    });

    test('refuses limits that the engine does not take, in its own words', async ({ skip }) => {
      if (docker.podman !== undefined) skip('Podman takes every limit');
      const base = botPlan({
        key: { userId, botId: 'refused' },
        workerId,
        language: 'python',
        env: { CANARY: 'canary-value' },
      });
      const image = await plainImage();
      for (const limit of [{ memoryBytes: 1_000_000 }, { cpuMillis: 1_000_000 }]) {
        const error = await runtime.create({ ...base, image, ...limit }, patience()).catch((reason: unknown) => reason);
        expect(error).toMatchObject({ problem: { code: 'CONTAINER_ERROR', hint: expect.stringMatching(/^Ask for/) } });
        expect(String(error) + JSON.stringify(error)).not.toContain('canary-value');
      }
    });

    test('makes its network again after it was pruned', async ({ skip }) => {
      if (docker.podman !== undefined) skip('Podman removes no network that a container belongs to, running or not');
      const other = dockerRuntime(docker, { network: 'contract_pruned', workerId });
      const prune = () => removeNetworks(engine, 'contract_pruned');
      const key = { userId, botId: 'pruned' };
      const plan = {
        ...botPlan({ key, workerId, language: 'python', steps: [['print', 'ready']] }),
        image: await plainImage(),
      };
      // Absent when the container is created, and gone between that and its start.
      for (const isLost of [false, true]) {
        if (isLost) await prune();
        const id = await other.create(plan, patience());
        // Docker 20.10 creates it without asking for the network.
        if (isLost) await prune();
        await other.start(id, patience());
        await untilPrinted(other, id, 'ready');
        await other.remove(id, patience());
      }
      await removeNetworks(engine, 'contract_pruned');
    });

    test('leaves its containers running when it shuts down', async () => {
      const id = await run([['print', 'ready']]);
      await dockerRuntime(docker, { network, workerId }).shutdown(second);
      expect(await runtime.inspect(id, patience())).toMatchObject({ status: 'running' });
    });
  });
}

/** Settings whose form is the engine's own. */
function asToldBack({ podman }: TestDocker, network: string, volume: string) {
  if (podman === undefined) {
    return {
      CapDrop: ['ALL'],
      SecurityOpt: ['no-new-privileges:true'],
      NetworkMode: network,
      LogConfig: { Type: 'json-file', Config: { 'max-size': '10m', 'max-file': '3' } },
      IpcMode: 'private',
      PidMode: '',
      Binds: null,
      Mounts: [{ Type: 'volume', Source: volume, Target: '/data' }],
    };
  }
  return {
    // All that Podman would give; what is left is looked at from inside.
    CapDrop: expect.arrayContaining(['CHOWN', 'DAC_OVERRIDE', 'NET_BIND_SERVICE', 'SETUID']),
    CapAdd: [],
    SecurityOpt: ['no-new-privileges'],
    NetworkMode: 'bridge',
    PidMode: 'private',
    Binds: [expect.stringMatching(new RegExp(`^${volume}:/data:rw,`))],
  };
}

async function listen(server: Server, host: string): Promise<{ port: number; close: () => Promise<void> }> {
  server.listen(0, host);
  await once(server, 'listening');
  // A TCP server that listens has an AddressInfo; only pipes have text and closed servers null.
  const { port } = server.address() as AddressInfo;
  return {
    port,
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
