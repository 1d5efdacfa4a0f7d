/** Those who follow a log: the CLI, `docker logs -f`, a gRPC client. */
import { spawn } from 'node:child_process';
import { createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { BotService } from '#gen/botrunner/v1/bot_service_pb.js';
import { eventually } from '../../test/kit/eventually.ts';
import type { TestPlatform } from '../../test/kit/platform-for-tests.ts';
import { cpuMs } from '../process-usage.ts';
import type { Printing } from './bot.ts';
import { Shown } from './shown.ts';

export interface Follower {
  readonly shown: Shown;
  /** CPU time that it has used, ms; undefined when it does not run as a separate program. */
  cpuMs(): number | undefined;
  /** Reads so much each 100 ms from now on; everything with Infinity. */
  throttle(bytes: number): void;
  kill(): Promise<void>;
}

function program(shown: Shown, command: string, args: readonly string[], env: NodeJS.ProcessEnv): Follower {
  const child = spawn(command, args, { env, stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const onData = (text: string) => shown.push(text);
  child.stdout.setEncoding('latin1').on('data', onData);
  let timer: NodeJS.Timeout | undefined;
  return {
    shown,
    cpuMs: () => (child.pid === undefined ? undefined : cpuMs(child.pid)),
    throttle(bytes) {
      clearInterval(timer);
      if (bytes === Number.POSITIVE_INFINITY) return void child.stdout.on('data', onData);
      child.stdout.off('data', onData).pause();
      timer = setInterval(() => shown.push(child.stdout.read(bytes) ?? ''), 100);
    },
    async kill() {
      clearInterval(timer);
      child.kill('SIGKILL');
      child.stdout.resume();
      await ended;
    },
  };
}

export const followByCli = ({ url }: TestPlatform, bot: string, printing: Printing): Follower =>
  program(
    new Shown('avtomatika-bot logs -f', printing),
    process.execPath,
    ['cli/main.ts', 'logs', bot, '-f', '-n', '100'],
    { ...process.env, NODE_OPTIONS: '', AVTOMATIKA_URL: url, AVTOMATIKA_TOKEN: 'test-client-token' },
  );

export const followByDocker = (docker: string, host: string, container: string, printing: Printing): Follower =>
  program(new Shown('docker logs -f', printing), docker, ['-H', host, 'logs', '-f', '-n', '100', container], {
    PATH: process.env['PATH'],
  });

/** In this process. */
export function followByGrpc({ url }: TestPlatform, botId: string, printing: Printing): Follower {
  const shown = new Shown('gRPC StreamLogs', printing);
  const ending = new AbortController();
  const client = createClient(BotService, createGrpcTransport({ baseUrl: url }));
  const headers = { authorization: 'Bearer test-client-token' };
  const read = async () => {
    const parts = client.streamLogs({ botId, follow: true, lines: 100 }, { headers, signal: ending.signal });
    for await (const { entries } of parts) for (const { text } of entries) shown.line(text);
  };
  const reading = read().catch((error: unknown) => {
    if (!ending.signal.aborted) throw error;
  });
  return {
    shown,
    cpuMs: () => undefined,
    throttle: () => undefined,
    async kill() {
      ending.abort();
      await reading;
    },
  };
}

export async function attached(followers: readonly Follower[]): Promise<void> {
  await eventually(
    'all have attached',
    () => followers.filter(({ shown }) => !shown.isReady).map(({ shown }) => shown.name),
    (missing) => missing.length === 0,
    { timeoutMs: 60_000 },
  );
}
