/** The worker as a program: what an operator sees when something is wrong, and how it ends. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../kit/eventually.ts';
import { type ScriptedOrchestrator, startScriptedOrchestrator } from './kit/scripted-orchestrator.ts';

const main = join(import.meta.dirname, '../../worker/main.ts');
const endMs = 20_000;

let dir = '';
let orchestrator: ScriptedOrchestrator;
const children: ChildProcess[] = [];
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'worker-main-'));
  orchestrator = await startScriptedOrchestrator();
});
afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
  }
  orchestrator.kill();
  await rm(dir, { recursive: true, force: true });
});

function run(env: Record<string, string>) {
  const child = spawn(process.execPath, [main], {
    env: { PATH: process.env['PATH'], DATA_DIR: dir, ORCHESTRATOR_URL: orchestrator.url, RUNTIME: 'process', ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  children.push(child);
  let stderr = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  return {
    child,
    stderr: () => stderr,
    /** The exit code, or the signal it died of: one that comes while it still starts ends it at once. */
    ended: () =>
      eventually(
        'the worker ends',
        () => child.exitCode ?? child.signalCode ?? `stderr so far: ${stderr}`,
        (end) => typeof end === 'number' || end.startsWith('SIG'),
        { timeoutMs: endMs },
      ),
  };
}

const plainLines = (stderr: string) => stderr.split('\n').filter((line) => line !== '' && !line.startsWith('{'));

describe('the worker program', { timeout: 60_000 }, () => {
  it('ends with one line for each mistake in its settings', async () => {
    const worker = run({ RUNTIME: 'podman', CONTAINER_CPU_LIMIT: 'x' });
    expect(await worker.ended()).toBe(1);
    expect(worker.stderr()).toBe(
      'worker: RUNTIME must be one of docker, process\nworker: CONTAINER_CPU_LIMIT must be a number of cores, for example 0.5\n',
    );
    expect(await readdir(dir)).toEqual([]);
  });

  it('ends with one line when its token is refused', async () => {
    orchestrator.joinRefusal = { code: status.UNAUTHENTICATED, details: 'no' };
    const worker = run({});
    expect(await worker.ended()).toBe(1);
    expect(plainLines(worker.stderr())).toEqual([
      `worker: the orchestrator at ${orchestrator.url} refuses the worker token: set WORKER_TOKEN to the orchestrator's`,
    ]);
  });

  it('ends with one line when another worker uses its folder', async () => {
    const first = run({});
    await orchestrator.session(0);
    const second = run({});
    expect(await second.ended()).toBe(1);
    expect(plainLines(second.stderr()).join()).toContain(`held by the running process ${first.child.pid}`);
  });

  it('ends with one line when its key is damaged', async () => {
    const first = run({});
    await orchestrator.session(0);
    first.child.kill('SIGTERM');
    await first.ended();
    await writeFile(join(dir, 'worker', 'key'), 'x');
    const second = run({});
    expect(await second.ended()).toBe(1);
    expect(plainLines(second.stderr()).join()).toContain('is damaged');
  });

  it('waits for an engine that is not there, says so once with the cure, and ends cleanly', async () => {
    const worker = run({ RUNTIME: 'docker', DOCKER_HOST: `unix://${dir}/no-engine.sock` });
    const session = await orchestrator.session(0);
    expect(await session.hear('hello')).toMatchObject({ ready: false });
    await session.hear('heartbeat', 8);
    expect(worker.stderr().match(/set RUNTIME=process/g)).toHaveLength(1);
    expect(worker.stderr()).toContain(`There is no socket ${dir}/no-engine.sock. Start Docker (`);
    worker.child.kill('SIGTERM');
    expect(await worker.ended()).toBe(0);
  });

  it('says once that the orchestrator cannot be reached, with the cure, and continues trying', async () => {
    const port = Number(orchestrator.address.split(':')[1]);
    orchestrator.kill();
    const worker = run({});
    await eventually('it is said', worker.stderr, (text) => text.includes('cannot be reached'), { timeoutMs: endMs });
    expect(worker.stderr()).toContain('check that it runs and ORCHESTRATOR_URL');
    orchestrator = await startScriptedOrchestrator(port);
    await orchestrator.session(0);
    expect(worker.stderr().match(/cannot be reached/g)).toHaveLength(1);
    worker.child.kill('SIGINT');
    expect(await worker.ended()).toBe(0);
  });
});
