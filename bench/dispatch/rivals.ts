/** The durable queues that Bot Runner is measured beside, each with the settings that its own documentation gives for speed. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, headers, nanos } from 'nats';
import { freePort } from '../../scripts/platform/free-port.ts';
import { debianPackages, type PackageTree } from '../../test/kit/private-engine/debian-packages.ts';
import { suitePackages } from '../../test/kit/private-engine/debian-suite.ts';
import { defaultCacheDir } from '../../test/kit/private-engine/private-engine.ts';
import { runProgram } from '../../test/kit/private-engine/run-program.ts';
import { type Arrived, type Contestant, payload, type Running } from './contestant.ts';
import { rival, rivalPackages } from './packages.ts';
import { type Handler, type Server, startHandler, startServer } from './processes.ts';

/** Removes what `build` began with if it fails. */
async function inFolder(build: (dir: string) => Promise<Running>): Promise<Running> {
  const dir = await mkdtemp(join(tmpdir(), 'bench-'));
  const remove = () => rm(dir, { recursive: true, force: true });
  try {
    const running = await build(dir);
    return {
      ...running,
      async stop() {
        await running.stop();
        await remove();
      },
    };
  } catch (error) {
    await remove();
    throw error;
  }
}

function running(server: Server, handler: Handler, submit: Running['submit'], close: () => Promise<unknown>): Running {
  return {
    submit,
    serverPids: () => [server.pid],
    handlerPid: handler.pid,
    async stop() {
      await handler.stop();
      await close();
      await server.stop();
    },
  };
}

const cache = (name: string): string => join(defaultCacheDir, `bench-${name}`);

/** A program of Debian's packages, which may need libraries that are beside it. */
async function programOf(tree: PackageTree, path: string): Promise<{ program: string; env: NodeJS.ProcessEnv }> {
  const program = tree.find(path);
  if (program === undefined) throw new Error(`${path} is in none of the packages`);
  const libraries = (await tree.libraryFolders()).join(':');
  return { program, env: { PATH: '/usr/bin:/bin', LC_ALL: 'C', LD_LIBRARY_PATH: libraries } };
}

/** BullMQ. `appendfsync`: always, or everysec, which may lose the last second. */
export const bullmq = (appendfsync: 'always' | 'everysec'): Contestant => ({
  name: `BullMQ, appendfsync ${appendfsync}`,
  durable: appendfsync === 'always' ? 'yes' : 'within 1 s',
  async start(arrived) {
    await rivalPackages();
    const redis = await programOf(await debianPackages(cache('redis'), ['redis-server']), '/usr/bin/redis-server');
    return inFolder((dir) => startBullmq(redis, dir, appendfsync, arrived));
  },
});

async function startBullmq(
  redis: { program: string; env: NodeJS.ProcessEnv },
  dir: string,
  appendfsync: string,
  arrived: Arrived,
): Promise<Running> {
  const port = await freePort();
  const settings = { port, bind: '127.0.0.1', dir, appendonly: 'yes', appendfsync, save: '' };
  const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const server = await startServer({ ...redis, args, dir, port });
  const handler = await startHandler('bullmq', { port }, arrived);
  const { Queue } = rival('bullmq') as {
    Queue: new (
      name: string,
      options: object,
    ) => { add(...job: unknown[]): Promise<{ id: string }>; close(): Promise<void> };
  };
  const options = { removeOnComplete: true, removeOnFail: true };
  const queue = new Queue('jobs', { connection: { port }, defaultJobOptions: options });
  let number = 0;
  const submit: Running['submit'] = async (_client, _outstanding, expect) => {
    const jobId = `job-${number++}`;
    expect(jobId);
    await queue.add('job', payload, { jobId });
  };
  return running(server, handler, submit, () => queue.close());
}

/** JetStream: a work queue on one server that syncs before it acknowledges. */
export const jetStream: Contestant = {
  name: 'JetStream, sync_interval always',
  durable: 'yes',
  async start(arrived) {
    // The one of Debian 12 cannot sync before it acknowledges.
    const packages = await suitePackages(cache('nats'), 'trixie', ['nats-server']);
    const program = join(packages.get('nats-server') ?? '', 'usr/sbin/nats-server');
    return inFolder((dir) => startJetStream(program, dir, arrived));
  },
};

async function startJetStream(program: string, dir: string, arrived: Arrived): Promise<Running> {
  const port = await freePort();
  const config = join(dir, 'nats.conf');
  await writeFile(
    config,
    `listen: 127.0.0.1:${port}\njetstream { store_dir: "${dir}/store", sync_interval: always }\n`,
  );
  const server = await startServer({ program, args: ['-c', config], dir, port });
  const connection = await connect({ port });
  const manager = await connection.jetstreamManager();
  // Words of the protocol; the library's enums are not for import where types are stripped.
  await manager.streams.add({ name: 'JOBS', subjects: ['jobs'], retention: 'workqueue', storage: 'file' } as never);
  await manager.consumers.add('JOBS', {
    durable_name: 'handler',
    ack_policy: 'explicit',
    ack_wait: nanos(30_000),
  } as never);
  const handler = await startHandler('jetstream', { port }, arrived);
  const stream = connection.jetstream();
  let number = 0;
  const submit: Running['submit'] = async (_client, _outstanding, expect) => {
    const job = `job-${number++}`;
    expect(job);
    const named = headers();
    named.set('job', job);
    await stream.publish('jobs', payload, { headers: named });
  };
  return running(server, handler, submit, () => connection.close());
}

/** pg-boss on PostgreSQL, woken by NOTIFY. */
export const pgBoss: Contestant = {
  name: 'pg-boss, synchronous_commit on',
  durable: 'yes',
  async start(arrived) {
    await rivalPackages();
    const tree = await debianPackages(cache('postgresql'), ['postgresql-15']);
    return inFolder((dir) => startPgBoss(tree, dir, arrived));
  },
};

// PostgreSQL does not run as root; the id is nobody's on every Debian.
const nobody = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};

async function startPgBoss(tree: PackageTree, dir: string, arrived: Arrived): Promise<Running> {
  const port = await freePort();
  const initdb = await programOf(tree, '/usr/lib/postgresql/15/bin/initdb');
  const data = join(dir, 'data');
  if (nobody.uid !== undefined) await runProgram('chown', [`${nobody.uid}:${nobody.gid}`, dir]);
  const args = ['-D', data, '-U', 'bench', '--auth=trust', '--no-locale', '-E', 'UTF8'];
  await runProgram('setpriv', [...asNobody(), initdb.program, ...args], { env: initdb.env, timeoutMs: 120_000 });
  const server = await startServer({
    ...(await programOf(tree, '/usr/lib/postgresql/15/bin/postgres')),
    args: ['-D', data, '-p', String(port), '-k', dir, '-c', 'listen_addresses=127.0.0.1'],
    dir,
    port,
    ...nobody,
  });
  const connection = `postgres://bench@127.0.0.1:${port}/postgres`;
  const { PgBoss } = rival('pg-boss') as {
    PgBoss: new (
      options: object,
    ) => {
      start(): Promise<unknown>;
      stop(): Promise<unknown>;
      createQueue(name: string, options: object): Promise<void>;
      send(name: string, data: object): Promise<string>;
      on(event: 'error', listener: (error: unknown) => void): void;
    };
  };
  const boss = new PgBoss({ connectionString: connection, useListenNotify: true });
  boss.on('error', (error) => console.error(error));
  await boss.start();
  await boss.createQueue('jobs', { notify: true });
  const handler = await startHandler('pg-boss', { connection }, arrived);
  const submit: Running['submit'] = async (_client, _outstanding, expect) =>
    expect(await boss.send('jobs', { payload }));
  return running(server, handler, submit, () => boss.stop());
}

const asNobody = (): string[] =>
  nobody.uid === undefined
    ? []
    : ['--reuid', String(nobody.uid), '--regid', String(nobody.gid), '--clear-groups', '--'];
