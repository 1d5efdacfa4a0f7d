/**
 * Engines that keep containers apart in other ways: with user namespaces, and with a sandbox as a runtime (gVisor of Debian). Each is an
 * engine of its own, since these are settings of an engine. What a runtime that the engine lacks comes to is in runtimes.test.ts.
 */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { Secret } from '#common/secret.ts';
import type { ContainerRuntime } from '../../../worker/runtime/container-runtime.ts';
import { dockerRuntime } from '../../contract/docker-harness.ts';
import { botPlan, buildBot, patience, readAll, textsOf, untilPrinted } from '../../contract/harness.ts';
import { loadBaseImages } from '../../kit/base-images/base-images.ts';
import { debianPackages } from '../../kit/private-engine/debian-packages.ts';
import { defaultCacheDir, type PrivateEngine, startPrivateEngine } from '../../kit/private-engine/private-engine.ts';
import { asTestDocker, isolationOf, ownEngineReason, planWithDockerfile, runToEnd, writer } from './bots.ts';

const reason = ownEngineReason(inject('docker'));
const userId = 'isolated';
const workerId = 'worker-is';
const network = 'isolation_own';

describe.skipIf(reason)('an engine with user namespaces', { timeout: 180_000 }, () => {
  let engine: PrivateEngine;
  let runtime: ContainerRuntime;
  beforeAll(async () => {
    engine = await startPrivateEngine({ userNamespaces: true });
    await loadBaseImages(engine.dockerHost, engine.packages, ['busybox', 'python']);
    runtime = dockerRuntime(asTestDocker(engine), { network, workerId, strangers: true });
  }, 120_000);
  afterAll(() => engine?.stop(), 60_000);

  it('is recognised, and proved from a container', async () => {
    expect((await runtime.info(patience())).version).toMatch(/^docker [\d.+a-z]+, user namespaces$/);
    expect(await isolationOf(runtime)).toMatchObject({
      ok: true,
      message: expect.stringContaining('root in a bot is nobody on the host (user namespaces)'),
    });
  });

  it('runs bots of simple mode, whose code and data are their own, also read-only', async () => {
    const key = { userId, botId: 'simple' };
    await buildBot(runtime, 'python', { key, workerId, files: { 'bot.py': writer } });
    const plan = {
      ...botPlan({ key, workerId, language: 'python' }),
      run: { kind: 'simple', language: 'python', entrypoint: 'bot.py' } as const,
      env: new Secret({ PATHS: '/data/a /app/a /tmp/a' }),
    };
    expect((await runToEnd(runtime, plan)).lines).toEqual([
      'uid 10001 /home/bot',
      '/data/a written',
      '/app/a written',
      '/tmp/a written',
    ]);
    expect((await runToEnd(runtime, { ...plan, readOnly: true })).lines).toEqual([
      'uid 10001 /tmp',
      '/data/a written',
      '/app/a Read-only file system',
      '/tmp/a written',
    ]);
  });

  it('runs root of an image as its root, which is nobody outside, and hands /data over between users', async () => {
    const key = { userId, botId: 'root' };
    const outside = 'print(" ".join(open("/proc/self/uid_map").read().split()[:2]))\n';
    const of = (user: string) =>
      planWithDockerfile(runtime, {
        key,
        workerId,
        dockerfile: `FROM python:3.11-slim\nWORKDIR /srv/bot\nCOPY . .\n${user}CMD ["python", "bot.py"]\n`,
        files: { 'bot.py': `${writer}${outside}` },
        env: { PATHS: '/data/a /srv/bot/a' },
      });
    const root = await runToEnd(runtime, await of(''));
    expect(root.lines).toEqual(['uid 0 /root', '/data/a written', '/srv/bot/a written', '0 231072']);
    expect(root.said).toEqual([]);
    const other = await runToEnd(runtime, await of('USER 1234\n'));
    expect(other.lines.slice(0, 3)).toEqual(['uid 1234 /', '/data/a written', '/srv/bot/a Permission denied']);
  });
});

describe.skipIf(reason)('an engine with other runtimes', { timeout: 180_000 }, () => {
  let engine: PrivateEngine;
  let runsc: string | undefined;
  beforeAll(async () => {
    const packages = await debianPackages(join(defaultCacheDir, 'runsc'), ['runsc']);
    runsc = packages.find('/usr/bin/runsc');
    // Debian's gVisor of 2022 has no other platform that every machine has, and takes the network of a container for that of the host where the
    // kernel is newer: with the network of the host, as it calls it, it uses the network of the container.
    const gvisor = { path: runsc ?? 'runsc', runtimeArgs: ['--platform=ptrace', '--network=host'] };
    const unlimited = { ...gvisor, runtimeArgs: [...gvisor.runtimeArgs, '--ignore-cgroups'] };
    engine = await startPrivateEngine({
      settings: { runtimes: { runsc: gvisor, 'runsc-unlimited': unlimited } },
    });
    await loadBaseImages(engine.dockerHost, engine.packages, ['busybox', 'python', 'node']);
    // gVisor may have to be downloaded first.
  }, 360_000);
  afterAll(() => engine?.stop(), 60_000);
  const runtimeOf = (runtimeClass: string) =>
    dockerRuntime(asTestDocker(engine), { network, workerId, strangers: true, runtimeClass });

  it('runs bots in gVisor, each mode, with logs, /data and a stop', async ({ skip }) => {
    const runtime = runtimeOf('runsc');
    const isolation = await isolationOf(runtime);
    // Anything else that is wrong is our own mistake.
    const notStarted = /was refused by the engine|there was no answer within/.exec(isolation?.message ?? '');
    if (notStarted !== null) return skip(`gVisor of Debian does not start here: ${isolation?.message}`);
    expect(isolation?.ok).toBe(true);
    expect(isolation?.message).toContain('bots have a kernel of their own (runsc)');
    expect((await runtime.info(patience())).version).toMatch(/, runsc$/);

    expect(await isolationOf(runtimeOf('runsc-unlimited'))).toMatchObject({
      ok: false,
      message: expect.stringContaining('more memory than its limit'),
    });

    const key = { userId, botId: 'gvisor' };
    const program = `${writer}print(open("/proc/version").read().split()[2])\n`;
    await buildBot(runtime, 'python', { key, workerId, files: { 'bot.py': program } });
    const plan = {
      ...botPlan({ key, workerId, language: 'python' }),
      run: { kind: 'simple', language: 'python', entrypoint: 'bot.py' } as const,
      env: new Secret({ PATHS: '/data/a /app/a' }),
    };
    const simple = await runToEnd(runtime, plan);
    expect(simple).toMatchObject({
      lines: ['uid 10001 /home/bot', '/data/a written', '/app/a written', '4.4.0'],
      exitCode: 0,
    });
    const readOnly = await runToEnd(runtime, { ...plan, readOnly: true });
    expect(readOnly.lines.slice(1, 3)).toEqual(['/data/a written', '/app/a Read-only file system']);

    // Root of an image is the root of its own kernel, and nobody else's.
    const custom = { userId, botId: 'gvisor-root' };
    const built = await planWithDockerfile(runtime, {
      key: custom,
      workerId,
      files: { 'bot.py': program },
      env: { PATHS: '/data/a /srv/bot/a' },
    });
    const { lines, said } = await runToEnd(runtime, built);
    expect([lines, said]).toEqual([['uid 0 /root', '/data/a written', '/srv/bot/a written', '4.4.0'], []]);

    const node = { userId, botId: 'gvisor-node' };
    await buildBot(runtime, 'node', { key: node, workerId });
    const waits = botPlan({ key: node, workerId, language: 'node', steps: [['print', 'ready']] });
    const id = await runtime.create(waits, patience());
    await runtime.start(id, patience());
    await untilPrinted(runtime, id, 'ready');
    await runtime.stop(id, 10_000, patience());
    expect(textsOf((await readAll(runtime, id)).lines)).toEqual(['ready', 'got SIGTERM']);
    expect(await runtime.inspect(id, patience())).toMatchObject({ status: 'exited', exitCode: 0 });
    await runtime.remove(id, patience());
  });
});
