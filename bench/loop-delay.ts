/**
 * How long the event loop of another program was held up: p99 and longest delay, ms. The program is started with this file as `--import`, and
 * is asked over a socket of its own, so that nothing of it is part of the program:
 *
 *     const env = delayEnv(socketPath);
 *     ... start the program with env ...
 *     await takeDelay(socketPath)
 */
import { once } from 'node:events';
import net from 'node:net';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { isMainThread } from 'node:worker_threads';

const variable = 'BENCH_LOOP_DELAY';

export interface LoopDelay {
  readonly p99: number;
  readonly max: number;
}

/** For the environment of the program; the socket is made there. */
export const delayEnv = (socketPath: string): Readonly<Record<string, string>> => ({
  [variable]: socketPath,
  NODE_OPTIONS: `--import=${fileURLToPath(import.meta.url)}`,
});

/** The delays since they were taken last. */
export async function takeDelay(socketPath: string): Promise<LoopDelay> {
  const socket = net.connect(socketPath);
  await once(socket, 'connect');
  return JSON.parse(await text(socket)) as LoopDelay;
}

const resolutionMs = 2;
const socketPath = process.env[variable];
if (socketPath !== undefined && isMainThread) {
  // The program's own children, if it has any, are not measured.
  delete process.env[variable];
  const delay = monitorEventLoopDelay({ resolution: resolutionMs });
  delay.enable();
  const toMs = (ns: number) => Math.max(0, ns / 1e6 - resolutionMs);
  net
    .createServer((socket) => {
      const taken: LoopDelay = { p99: toMs(delay.percentile(99)), max: toMs(delay.max) };
      delay.reset();
      socket.end(JSON.stringify(taken));
    })
    .listen(socketPath)
    .unref();
}
