/** Runs engines of its own, beside the one of the test run: that they do not disturb each other is part of the proof. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { baseImageNames, loadBaseImages } from '../base-images/base-images.ts';
import { eventually } from '../eventually.ts';
import { usableDocker } from '../test-docker.ts';
import { callEngine } from './engine-api.ts';
import { sweepLeftovers } from './engine-run.ts';
import { type PrivateEngine, startPrivateEngine } from './private-engine.ts';
import { processRef } from './process-table.ts';
import { runProgram } from './run-program.ts';

const docker = inject('docker');
// With an engine of somebody else's there may be no private one.
const isPossible = !('skip' in docker) && !process.env['BOTRUNNER_TEST_DOCKER_HOST'];
const here = import.meta.dirname;

/** Everything on this machine that has the name of a run: processes, containers' ones too, mounts and control groups. */
function tracesOf(runFolder: string): string[] {
  const name = basename(runFolder);
  const traces = existsSync(runFolder) ? [`folder ${runFolder}`] : [];
  for (const pid of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    // A zombie has nothing left but its number, until the machine's first process takes note of its end.
    if (!processRef(Number(pid))) continue;
    for (const file of ['cmdline', 'cgroup']) {
      const path = join('/proc', pid, file);
      try {
        if (readFileSync(path, 'utf8').includes(name)) traces.push(path);
      } catch {
        // The process has ended meanwhile: no trace.
      }
    }
  }
  if (readFileSync('/proc/self/mounts', 'utf8').includes(name)) traces.push('mounts');
  for (const root of ['/sys/fs/cgroup', ...readdirSync('/sys/fs/cgroup').map((sub) => `/sys/fs/cgroup/${sub}`)]) {
    if (existsSync(join(root, name))) traces.push(`control group in ${root}`);
  }
  return traces;
}

const untilNoTraces = (runFolder: string, timeoutMs = 15_000) =>
  eventually(
    'nothing of the run is left',
    () => tracesOf(runFolder),
    (traces) => traces.length === 0,
    { timeoutMs },
  );

const dockerOf = (engine: PrivateEngine) => (args: readonly string[]) =>
  runProgram(engine.packages.find('/usr/bin/docker') ?? 'docker', ['--host', engine.dockerHost, ...args]);

describe.skipIf(!isPossible)('a private engine', () => {
  let engine: PrivateEngine;
  let run: (args: readonly string[]) => Promise<string>;
  const machineHadKey = existsSync('/etc/docker/key.json');
  beforeAll(async () => {
    engine = await startPrivateEngine();
    await loadBaseImages(engine.dockerHost, engine.packages, ['busybox']);
    run = dockerOf(engine);
  });
  afterAll(() => engine.stop());

  const ping = (timeoutMs = 2000) => callEngine(engine.dockerHost, '/_ping', { timeoutMs });
  const startSleeper = async () => {
    const id = (await run(['run', '--detach', baseImageNames.busybox, 'sleep', '1000'])).trim();
    return { id, pid: await pidOf(id) };
  };
  const pidOf = async (id: string) => Number(await run(['inspect', '--format', '{{.State.Pid}}', id]));

  it('has a subnet and data of its own beside another one', async () => {
    const other = usableDocker(docker);
    expect(engine.hostAddress).not.toBe(other.hostAddress);
    const own = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
    expect(own.map(({ address }) => address)).toEqual(expect.arrayContaining([engine.hostAddress, other.hostAddress]));
    expect(await run(['images', '--format', '{{.Repository}}'])).toBe('busybox\n');
  });

  it('leads to this machine and no further', async () => {
    const routes = await runProgram('nsenter', [`--net=${engine.namespacePath}`, 'ip', 'route']);
    expect(routes).not.toContain('default');
    expect(routes).toContain(engine.hostAddress.replace(/\.1$/, '.0/24'));
  });

  it('keeps containers through SIGKILL and a new start', async () => {
    const { id, pid } = await startSleeper();
    await engine.kill();
    await expect(ping()).rejects.toThrow();
    expect(readFileSync(`/proc/${pid}/cmdline`, 'utf8')).toContain('sleep');
    await engine.start();
    expect(await pidOf(id)).toBe(pid);
    await run(['rm', '--force', id]);
  });

  it('takes calls and does not answer while it is frozen, and answers once it is thawed', async () => {
    await engine.freeze();
    try {
      await expect(ping(300)).rejects.toThrow('did not answer');
    } finally {
      engine.thaw();
    }
    expect((await ping()).text).toBe('OK');
  });

  it('refuses to start twice and to be killed twice', async () => {
    await expect(engine.start()).rejects.toThrow('runs already');
    await engine.kill();
    await expect(engine.kill()).rejects.toThrow('does not run');
    await engine.start();
  });

  it('keeps its data in its own folder and makes no key for the machine', async () => {
    const folder = dirname(engine.socketPath);
    expect((await run(['info', '--format', '{{.DockerRootDir}}'])).trim()).toBe(join(folder, 'data'));
    expect(existsSync('/etc/docker/key.json')).toBe(machineHadKey);
  });

  it('leaves nothing behind when it is stopped, whatever runs on it', async () => {
    const second = await startPrivateEngine();
    const folder = dirname(second.socketPath);
    await loadBaseImages(second.dockerHost, second.packages, ['busybox']);
    await dockerOf(second)(['run', '--detach', baseImageNames.busybox, 'sleep', '1000']);
    expect(tracesOf(folder).length).toBeGreaterThan(5);
    await second.stop();
    expect(tracesOf(folder)).toEqual([]);
    await eventually(
      'the address is free again',
      () => runProgram('ip', ['-o', 'address']),
      (addresses) => !addresses.includes(` ${second.hostAddress}/`),
    );
    expect((await ping()).text).toBe('OK');
  });

  /** A process that starts an engine with a container on it, and then waits to be killed. */
  async function startOwner() {
    const script = `
      import { startPrivateEngine } from ${JSON.stringify(join(here, 'private-engine.ts'))};
      import { loadBaseImages } from ${JSON.stringify(join(here, '../base-images/base-images.ts'))};
      import { runProgram } from ${JSON.stringify(join(here, 'run-program.ts'))};
      const engine = await startPrivateEngine();
      await loadBaseImages(engine.dockerHost, engine.packages, ['busybox']);
      await runProgram(engine.packages.find('/usr/bin/docker') ?? 'docker',
        ['--host', engine.dockerHost, 'run', '--detach', 'busybox:stable', 'sleep', '1000']);
      console.log(engine.socketPath);
      setInterval(() => {}, 1000);`;
    const owner = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ended = once(owner, 'exit');
    const failed = ended.then(([code]) => Promise.reject(new Error(`the owner ended with ${code}`)));
    failed.catch(() => {}); // it is meant to end later
    const [line] = await Promise.race([once(owner.stdout, 'data'), failed]);
    return { owner, ended, folder: dirname(String(line).trim()) };
  }

  it.each(['SIGKILL', 'SIGTERM', 'SIGINT'] as const)(
    'goes when the process it was started for ends by %s',
    async (signal) => {
      const { owner, ended, folder } = await startOwner();
      owner.kill(signal);
      await ended;
      await untilNoTraces(folder);
      expect((await ping()).text).toBe('OK');
    },
  );

  it('is swept by a later run when even its keeper was killed', async () => {
    const { owner, ended, folder } = await startOwner();
    const { keeper } = JSON.parse(readFileSync(join(folder, 'run.json'), 'utf8')) as { keeper: { pid: number } };
    process.kill(keeper.pid, 'SIGKILL');
    owner.kill('SIGKILL');
    await ended;
    expect(tracesOf(folder)).not.toEqual([]);
    await sweepLeftovers();
    expect(tracesOf(folder)).toEqual([]);
    expect((await ping()).text).toBe('OK');
  });
});
