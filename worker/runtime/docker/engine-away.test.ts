import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { explainAway, whyAway } from './engine-away.ts';
import { createEngineClient } from './engine-client.ts';

it.each([
  [
    'unix:///var/run/docker.sock',
    'ENOENT',
    'there is no socket /var/run/docker.sock',
    'Start Docker (sudo systemctl start docker), ',
  ],
  [
    'unix:///run/podman/podman.sock',
    'ENOENT',
    'there is no socket /run/podman/podman.sock',
    'Start Podman (sudo systemctl start podman.socket), ',
  ],
  [
    'unix:///run/user/1000/podman/podman.sock',
    'ENOENT',
    'there is no socket',
    'Start Podman (systemctl --user start podman.socket), ',
  ],
  [
    'unix:///run/user/1000/docker.sock',
    'ECONNREFUSED',
    'nothing listens at the socket',
    'Start Docker (systemctl --user start docker), ',
  ],
  [
    'unix:///var/run/docker.sock',
    'EACCES',
    'this user may not use the socket',
    'Add the user to the group of the socket (sudo usermod -aG docker $USER)',
  ],
  ['unix:///run/podman/podman.sock', 'EACCES', 'this user may not use the socket', 'Run the worker as root, to whom'],
  [
    'unix:///run/user/1001/podman/podman.sock',
    'EACCES',
    'this user may not use the socket',
    'Run the worker as the user with the number 1001, ',
  ],
  [
    'tcp://127.0.0.1:2375',
    'ECONNREFUSED',
    'nothing listens at tcp://127.0.0.1:2375',
    'Start the engine with that address, ',
  ],
])('of %s and %s it says what is wrong and what to do', (dockerHost, code, what, cure) => {
  const away = explainAway(dockerHost, code, undefined, 1000);
  expect(away?.what).toContain(what);
  expect(away?.cure).toContain(cure);
  expect(away?.cure).toMatch(
    /set DOCKER_HOST to the socket of an engine that runs, or set RUNTIME=process to do without\.$/,
  );
});

it('has no word for what it does not know', () => {
  expect(explainAway('unix:///var/run/docker.sock', 'ECONNRESET', undefined, 0)).toBeUndefined();
  expect(explainAway('ssh://host', 'ENOENT', undefined, 0)).toBeUndefined();
});

it('tells a socket without an engine, a path that is none, and one that is not there', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'away-'));
  try {
    await writeFile(join(dir, 'file'), '');
    // A process that is killed leaves the file of its socket.
    const script = `require('net').createServer().listen(${JSON.stringify(join(dir, 'left'))}, () => process.kill(process.pid, 'SIGKILL'))`;
    await promisify(execFile)(process.execPath, ['-e', script]).catch(() => {});
    const whatOf = async (name: string) => {
      const host = `unix://${join(dir, name)}`;
      const call = createEngineClient(host).call({ method: 'GET', path: '/info' }, AbortSignal.timeout(10_000));
      return (await whyAway(host, await call.catch((error: unknown) => error)))?.what.replace(dir, '');
    };
    expect(await whatOf('left')).toBe('nothing listens at the socket /left');
    expect(await whatOf('file')).toBe('/file is no socket');
    expect(await whatOf('absent')).toBe('there is no socket /absent');
  } finally {
    await rm(dir, { recursive: true });
  }
});
