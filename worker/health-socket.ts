/**
 * How a worker reports its health to a check on its own machine: a connection to its socket reads one line of JSON.
 * A socket, not a file: only a live worker answers, so the check needs no clock to tell fresh news from old.
 */

import { lstat, rm } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { later } from '#common/background.ts';

export interface WorkerHealth {
  /** There is a session with an orchestrator. */
  readonly connected: boolean;
  /** Why there is no session. */
  readonly complaint?: string;
  /** The engine answers. */
  readonly engineReady: boolean;
  /** Why the engine is not ready; empty when it is. */
  readonly reason: string;
}

export interface HealthSocket {
  close(): Promise<void>;
}

/** Rejects when something other than a socket is at the path, or the path cannot be created. */
export async function serveHealth(path: string, health: () => WorkerHealth): Promise<HealthSocket> {
  await removeOldSocket(path);
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    open.add(socket);
    socket.on('close', () => open.delete(socket));
    // The asker went away; nobody is left to answer.
    socket.on('error', () => socket.destroy());
    socket.resume().end(`${JSON.stringify(health())}\n`);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of open) socket.destroy();
      }),
  };
}

/** A killed worker leaves its socket behind; anything else at the path is not ours to remove. */
async function removeOldSocket(path: string): Promise<void> {
  const stat = await lstat(path).catch(() => undefined);
  if (stat?.isSocket()) await rm(path, { force: true });
}

/** Rejects when no worker answers within the limit. */
export async function askHealth(path: string, limitMs: number): Promise<WorkerHealth> {
  const socket = connect(path);
  const cancel = later(limitMs, () => socket.destroy(new Error(`no answer within ${limitMs} ms`)));
  try {
    return parseHealth(await text(socket));
  } finally {
    cancel();
    socket.destroy();
  }
}

function parseHealth(line: string): WorkerHealth {
  const value: unknown = JSON.parse(line);
  if (typeof value === 'object' && value !== null && 'connected' in value && 'engineReady' in value) {
    const textOf = (part: unknown) => (typeof part === 'string' ? part : '');
    const complaint = textOf('complaint' in value ? value.complaint : '');
    return {
      connected: value.connected === true,
      ...(complaint === '' ? {} : { complaint }),
      engineReady: value.engineReady === true,
      reason: textOf('reason' in value ? value.reason : ''),
    };
  }
  throw new Error('the answer is not that of a worker');
}
