/**
 * A private nats-server: Debian's, unpacked beside the system, on its own port of loopback and in its own folder. A test may
 * kill it, freeze it, wipe it and start it again on the same port.
 *
 *     const nats = await createNatsServer({ jetStream: true });
 *     await nats.start();
 *     ... NATS_URL: nats.url
 *     await nats.remove();
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../../scripts/platform/free-port.ts';
import { eventually } from '../eventually.ts';
import { hasEnded, killChild } from '../private-engine/child-end.ts';
import { debianPackages } from '../private-engine/debian-packages.ts';
import { defaultCacheDir } from '../private-engine/private-engine.ts';

export interface NatsServerOptions {
  readonly jetStream?: boolean;
  /** Asked of every client, and part of `url`. */
  readonly login?: { readonly user: string; readonly pass: string };
}

export interface TestNatsServer {
  /** nats://[USER:PASS@]127.0.0.1:PORT */
  readonly url: string;
  readonly port: number;
  /** Resolves when it takes connections. */
  start(): Promise<void>;
  /** SIGKILL, and waits until it is gone. */
  kill(): Promise<void>;
  /** SIGSTOP: connections stay open and nothing answers. */
  freeze(): void;
  thaw(): void;
  /** Removes what JetStream stored; only while it does not run. */
  wipe(): Promise<void>;
  /** Ends it and removes its folder. */
  remove(): Promise<void>;
}

/** Does not start it yet. Throws where Debian's package cannot be had. */
export async function createNatsServer(options: NatsServerOptions = {}): Promise<TestNatsServer> {
  const tree = await debianPackages(join(defaultCacheDir, 'nats'), ['nats-server']);
  const program = tree.find('/usr/sbin/nats-server') ?? tree.find('/usr/bin/nats-server');
  if (program === undefined) throw new Error('the package nats-server has no such program');
  const dir = await mkdtemp(join(tmpdir(), 'nats-'));
  const port = await freePort();
  const { login, jetStream = false } = options;
  await writeFile(
    join(dir, 'nats.conf'),
    `listen: 127.0.0.1:${port}
${login ? `authorization { user: "${login.user}", password: "${login.pass}" }` : ''}
${jetStream ? `jetstream { store_dir: "${dir}/store" }` : ''}
`,
  );
  let child: ChildProcess | undefined;
  const kill = async () => {
    if (child !== undefined) await killChild(child);
    child = undefined;
  };
  const logFile = join(dir, 'log');
  return {
    port,
    url: `nats://${login ? `${login.user}:${encodeURIComponent(login.pass)}@` : ''}127.0.0.1:${port}`,
    async start() {
      const log = openSync(logFile, 'a');
      const started = spawn(program, ['-c', join(dir, 'nats.conf')], { stdio: ['ignore', log, log], env: {} });
      started.on('error', () => {}); // a program that cannot be started has no pid, which hasEnded sees
      closeSync(log);
      child = started;
      await eventually(
        'nats-server greets',
        async () => {
          if (hasEnded(started)) throw new Error(`nats-server ended: ${readFileSync(logFile, 'utf8').slice(-500)}`);
          return greeting(port);
        },
        (text) => text.startsWith('INFO'),
        { timeoutMs: 30_000 },
      );
    },
    kill,
    freeze: () => {
      child?.kill('SIGSTOP');
    },
    thaw: () => {
      child?.kill('SIGCONT');
    },
    wipe: () => rm(join(dir, 'store'), { recursive: true, force: true }),
    async remove() {
      await kill();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** The first bytes it says, or why there are none. */
function greeting(port: number): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const end = (text: string) => {
      socket.destroy();
      resolve(text);
    };
    socket.setTimeout(2_000, () => end('nothing within 2 s'));
    socket.once('data', (bytes: Buffer) => end(bytes.toString()));
    socket.once('error', (error) => end(error.message));
  });
}
