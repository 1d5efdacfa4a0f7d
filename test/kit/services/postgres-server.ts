/**
 * A private PostgreSQL: Debian's, in its own folder and on its own port, with one database that asks for a password.
 *
 *     const postgres = await startPostgres(docker.hostAddress);
 *     ... DATABASE_URL: postgres.url
 *     await postgres.close();
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { chownSync, closeSync, openSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../../scripts/platform/free-port.ts';
import { eventually } from '../eventually.ts';
import { hasEnded, killChild } from '../private-engine/child-end.ts';
import { debianPackages } from '../private-engine/debian-packages.ts';
import { defaultCacheDir } from '../private-engine/private-engine.ts';

export interface TestPostgres {
  /** postgresql://USER:PASSWORD@HOST:PORT/botdb */
  readonly url: string;
  close(): Promise<void>;
}

const versions = ['15', '17', '18'];
/** It refuses to run as root. */
const unprivileged = { uid: 65534, gid: 65534 };

/** Listens on a free port of `host`. Throws where Debian's package cannot be had. */
export async function startPostgres(host: string): Promise<TestPostgres> {
  const tree = await debianPackages(join(defaultCacheDir, 'postgres'), ['postgresql']);
  // The server may be the machine's and the client the package's, or the other way round.
  const program = (name: string): string => {
    const paths = versions.map((version) => tree.find(`/usr/lib/postgresql/${version}/bin/${name}`));
    const found = paths.find((path) => path !== undefined);
    if (found === undefined)
      throw new Error(`the package postgresql has no ${name} of the versions ${versions.join(', ')}`);
    return found;
  };
  const dir = await mkdtemp(join(tmpdir(), 'postgres-'));
  const isRoot = process.getuid?.() === 0;
  const user = isRoot ? unprivileged : {};
  const env = { LD_LIBRARY_PATH: (await tree.libraryFolders()).join(':'), LC_ALL: 'C' };
  if (isRoot) chownSync(dir, unprivileged.uid, unprivileged.gid);
  const password = 'pg-canary-7c41d9';
  writeFileSync(join(dir, 'password'), password, { mode: 0o644 });
  const data = join(dir, 'data');
  const initial = ['-D', data, '-U', 'bot', '-A', 'scram-sha-256', `--pwfile=${join(dir, 'password')}`, '-N'];
  execFileSync(program('initdb'), initial, { ...user, env, stdio: 'pipe' });
  writeFileSync(join(data, 'pg_hba.conf'), 'host all all 0.0.0.0/0 scram-sha-256\nlocal all all trust\n');
  const port = await freePort(host);
  const log = openSync(join(dir, 'log'), 'a');
  const options = ['-D', data, '-p', String(port), '-c', `listen_addresses=${host}`, '-k', dir, '-c', 'fsync=off'];
  const child = spawn(program('postgres'), options, { ...user, env, stdio: ['ignore', log, log] });
  child.on('error', () => {}); // a program that cannot be started has no pid, which hasEnded sees
  closeSync(log);
  const close = async () => {
    await ended(child, data);
    await rm(dir, { recursive: true, force: true });
  };
  const sql = (database: string, text: string) =>
    execFileSync(program('psql'), ['-h', dir, '-p', String(port), '-U', 'bot', '-d', database, '-tAc', text], {
      ...user,
      env,
      encoding: 'utf8',
      stdio: 'pipe',
    }).trim();
  try {
    await eventually(
      'PostgreSQL answers',
      () => {
        if (hasEnded(child)) throw new Error(`postgres ended: ${readFileSync(join(dir, 'log'), 'utf8').slice(-500)}`);
        try {
          return sql('postgres', 'select 1');
        } catch (error) {
          return String(error);
        }
      },
      (answer) => answer === '1',
      { timeoutMs: 30_000 },
    );
    sql('postgres', 'create database botdb');
  } catch (error) {
    await close();
    throw error;
  }
  return { url: `postgresql://bot:${password}@${host}:${port}/botdb`, close };
}

/** Ends the server at once, connections or not; what its children hold ends with it. */
async function ended(child: ChildProcess, data: string): Promise<void> {
  if (!hasEnded(child)) child.kill('SIGQUIT');
  await eventually(
    'PostgreSQL has ended',
    () => hasEnded(child) && !readdirSync(data).includes('postmaster.pid'),
    (gone) => gone,
    { timeoutMs: 10_000 },
  ).catch(() => killChild(child));
}
