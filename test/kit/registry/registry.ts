/**
 * A private image registry: Debian's docker-registry, unpacked beside the system, behind a user name and a password.
 *
 *     const registry = await startRegistry(docker.hostAddress);
 *     `${registry.address}/team/bot:1`
 *     await registry.close();
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../../scripts/platform/free-port.ts';
import { eventually } from '../eventually.ts';
import { hasEnded, killChild } from '../private-engine/child-end.ts';
import { debianPackages } from '../private-engine/debian-packages.ts';
import { defaultCacheDir } from '../private-engine/private-engine.ts';

export interface TestRegistry {
  /** host:port, as it stands in image references. */
  readonly address: string;
  /** Who may push and pull. */
  readonly username: string;
  readonly password: string;
  close(): Promise<void>;
}

const username = 'ann';
const password = 's3cret-pass';
// The registry takes bcrypt only, which Node cannot make; this is the one of the password above.
const passwordHash = '$2b$05$abcdefghijklmnopqrstuuV7fpPozvyqJfnY19y0802WTlXUm6Rjy';

/** Listens on a free port of `host`, which the engine must take without TLS. Throws when it cannot be had or started. */
export async function startRegistry(
  host: string,
  { open = false }: { /** Anybody may push and pull. */ readonly open?: boolean } = {},
): Promise<TestRegistry> {
  const tree = await debianPackages(join(defaultCacheDir, 'registry'), ['docker-registry']);
  const program = tree.find('/usr/bin/docker-registry');
  if (!program) throw new Error('the package docker-registry has no such program');
  const dir = await mkdtemp(join(tmpdir(), 'registry-'));
  const address = `${host}:${await freePort(host)}`;
  await writeFile(join(dir, 'htpasswd'), `${username}:${passwordHash}\n`);
  await writeFile(
    join(dir, 'config.yml'),
    `version: 0.1
log: {level: warn}
storage: {filesystem: {rootdirectory: ${dir}/data}}
http: {addr: "${address}"}
${open ? '' : `auth: {htpasswd: {realm: test, path: ${dir}/htpasswd}}\n`}`,
  );
  const log = openSync(join(dir, 'log'), 'a');
  const child = spawn(program, ['serve', join(dir, 'config.yml')], { stdio: ['ignore', log, log], env: {} });
  child.on('error', () => {}); // a program that cannot be started has no pid, which hasEnded sees
  closeSync(log);
  const close = async () => {
    await killChild(child);
    await rm(dir, { recursive: true, force: true });
  };
  try {
    await untilUp(child, address, join(dir, 'log'), open ? 200 : 401);
  } catch (error) {
    await close();
    throw error;
  }
  return { address, username, password, close };
}

async function untilUp(child: ChildProcess, address: string, log: string, status: number): Promise<void> {
  await eventually(
    `the registry answers with ${status}`,
    async () => {
      if (hasEnded(child)) throw new Error(`the registry ended: ${readFileSync(log, 'utf8').slice(-500)}`);
      return fetch(`http://${address}/v2/`).then(
        (answer) => answer.status,
        () => 'no answer',
      );
    },
    (seen) => seen === status,
    { timeoutMs: 10_000 },
  );
}
