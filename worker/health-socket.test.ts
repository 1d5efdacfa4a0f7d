import { execFile, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { askHealth, type HealthSocket, serveHealth, type WorkerHealth } from './health-socket.ts';

let dir: string;
let path: string;
let served: HealthSocket | undefined;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'health-'));
  path = join(dir, 'health.sock');
});
afterEach(async () => {
  await served?.close();
  served = undefined;
  rmSync(dir, { recursive: true, force: true });
});

const healthy: WorkerHealth = { connected: true, engineReady: true, reason: '' };

it('gives each asker the health of the worker at that moment', async () => {
  let now = healthy;
  served = await serveHealth(path, () => now);
  expect(await askHealth(path, 5000)).toEqual(healthy);
  now = { connected: false, engineReady: false, reason: 'engine_unavailable' };
  expect(await askHealth(path, 5000)).toEqual(now);
  now = { ...now, complaint: 'the orchestrator refuses this worker' };
  expect(await askHealth(path, 5000)).toEqual(now);
});

it('takes the place of a socket that a killed worker left, and of nothing else', async () => {
  spawnSync(process.execPath, [
    '-e',
    `require('node:net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`,
  ]);
  expect(existsSync(path)).toBe(true);
  served = await serveHealth(path, () => healthy);
  expect(await askHealth(path, 5000)).toEqual(healthy);
  const file = join(dir, 'file');
  writeFileSync(file, 'not ours');
  await expect(serveHealth(file, () => healthy)).rejects.toThrow(/EADDRINUSE/);
});

it('removes its socket when it closes, even with clients connected', async () => {
  served = await serveHealth(path, () => healthy);
  await served.close();
  expect(existsSync(path)).toBe(false);
  await expect(askHealth(path, 5000)).rejects.toThrow(/ENOENT/);
});

it('gives up on a worker that does not answer', async () => {
  const frozen = createServer().listen(path);
  await expect(askHealth(path, 50)).rejects.toThrow('no answer within 50 ms');
  frozen.close();
});

it.each([
  [healthy, 0, 'healthy\n'],
  [{ ...healthy, connected: false }, 1, 'no session with an orchestrator\n'],
  [{ connected: true, engineReady: false, reason: 'engine_unavailable: gone' }, 1, 'engine_unavailable: gone\n'],
] as const)('the check of %o ends with %i', async (health, code, line) => {
  served = await serveHealth(path, () => health);
  expect(await runCheck({ HEALTH_SOCKET: path })).toEqual([code, line]);
});

it('the check says that there is no worker', async () => {
  expect(await runCheck({ HEALTH_SOCKET: path })).toEqual([1, expect.stringContaining('the worker does not answer')]);
  expect(await runCheck({})).toEqual([1, 'HEALTH_SOCKET is not set\n']);
});

/** The program itself, beside this process: the socket it asks is served from here. */
async function runCheck(env: Record<string, string>): Promise<readonly [number | null, string]> {
  const { promise, resolve } = Promise.withResolvers<readonly [number | null, string]>();
  const child = execFile(process.execPath, [join(import.meta.dirname, 'health-check.ts')], { env }, (_error, stdout) =>
    resolve([child.exitCode, stdout]),
  );
  return promise;
}
