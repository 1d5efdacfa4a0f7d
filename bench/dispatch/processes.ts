/** Processes of the bench: servers in folders of their own, handlers that report each job, and the CPU they have used. */
import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { eventually } from '../../test/kit/eventually.ts';
import { hasEnded, killChild } from '../../test/kit/private-engine/child-end.ts';
import type { Arrived } from './contestant.ts';

export interface Server {
  readonly pid: number;
  stop(): Promise<void>;
}

export interface ServerOptions {
  readonly program: string;
  readonly args: readonly string[];
  readonly dir: string;
  readonly port: number;
  readonly env?: NodeJS.ProcessEnv;
  readonly uid?: number;
  readonly gid?: number;
}

/** Resolves when the port is listened on. */
export async function startServer({ program, args, dir, port, env = {}, ...user }: ServerOptions): Promise<Server> {
  const logFile = join(dir, 'log');
  const log = openSync(logFile, 'a');
  const child = spawn(program, args, { cwd: dir, env, stdio: ['ignore', log, log], ...user });
  child.on('error', () => undefined); // it has no pid then, which hasEnded sees
  closeSync(log);
  await eventually(
    `${program} listens`,
    () => listens(port),
    (up) => up || hasEnded(child),
    { timeoutMs: 30_000 },
  );
  if (hasEnded(child)) throw new Error(`${program} ended: ${readFileSync(logFile, 'utf8').slice(-800)}`);
  return { pid: child.pid ?? 0, stop: () => end(child) };
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

/** SIGTERM, and SIGKILL after ten seconds. */
export async function end(child: ChildProcess): Promise<void> {
  if (hasEnded(child)) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), 10_000);
  await ended;
  clearTimeout(timer);
}

export interface Handler {
  readonly pid: number;
  stop(): Promise<void>;
}

/** Forks `bench/dispatch/handler.ts`; resolves when it takes jobs. */
export async function startHandler(kind: string, settings: object, arrived: Arrived): Promise<Handler> {
  const child = fork(join(import.meta.dirname, 'handler.ts'), [kind, JSON.stringify(settings)], {
    serialization: 'advanced',
  });
  const up = Promise.withResolvers<void>();
  child.once('exit', (code) => up.reject(new Error(`the handler of ${kind} ended with ${code}`)));
  child.on('message', (message) => {
    if (message === 'up') up.resolve();
    // Only handler.ts sends them.
    else for (const [job, at] of message as [string, number][]) arrived(job, at);
  });
  await up.promise;
  return { pid: child.pid ?? 0, stop: () => killChild(child) };
}
