/** Runs the CLI inside the test, against a fake orchestrator, and returns all it said. */
import { PassThrough, type Readable, Writable } from 'node:stream';
import { createRouterTransport } from '@connectrpc/connect';
import type { Clock } from '#common/clock.ts';
import { clientOver } from '../calls/client.ts';
import type { CliContext } from '../calls/context.ts';
import { run } from '../run.ts';
import { sendToken } from '../wire/send-token.ts';
import { FakeOrchestrator, goodToken } from './fake-orchestrator.ts';

export interface Told {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly orchestrator?: FakeOrchestrator;
  /** The real way to an orchestrator on the network; default: straight into the fake one. */
  readonly openClient?: CliContext['openClient'];
  /** Default: only AVTOMATIKA_TOKEN, a good one. */
  readonly env?: Record<string, string>;
  /** Whether stdin, stdout and stderr are terminals; default false. */
  readonly terminal?: boolean;
  /** What is piped in or typed; default: nothing, and then the end. */
  readonly stdin?: string | Readable;
  readonly cwd?: string;
  readonly clock?: Clock;
  readonly signal?: AbortSignal;
  /** Sees every piece of output as it comes. */
  readonly onOutput?: (text: string) => void;
}

export async function runCli(argv: readonly string[], options: RunOptions = {}): Promise<Told> {
  const { orchestrator = new FakeOrchestrator(), onOutput, stdin = '' } = options;
  const stdout = collector(onOutput);
  const stderr = collector(onOutput);
  const terminal = options.terminal ?? false;
  const exitCode = await run(argv, {
    stdin: typeof stdin === 'string' ? piped(stdin) : stdin,
    stdout: stdout.stream,
    stderr: stderr.stream,
    colorDepth: 1,
    env: options.env ?? { AVTOMATIKA_TOKEN: goodToken },
    terminal: { stdin: terminal, stdout: terminal, stderr: terminal, columns: () => 80 },
    cwd: options.cwd ?? process.cwd(),
    clock: options.clock ?? instantClock(),
    random: () => 0,
    newIdempotencyKey: () => orchestrator.newKey(),
    openClient:
      options.openClient ??
      (({ token }) => {
        const interceptors = [sendToken(token)];
        return clientOver(createRouterTransport(orchestrator.routes, { transport: { interceptors } }), () => {});
      }),
    signal: options.signal ?? new AbortController().signal,
  });
  return { exitCode, stdout: stdout.text(), stderr: stderr.text() };
}

/** A stream that has all of it at once. */
function piped(text: string): Readable {
  const stream = new PassThrough();
  stream.end(text);
  return stream;
}

function collector(onOutput: ((text: string) => void) | undefined) {
  let all = '';
  const stream = new Writable({
    decodeStrings: false,
    write(chunk: string, _encoding, done) {
      all += chunk;
      onOutput?.(chunk);
      done();
    },
  });
  return { stream, text: () => all };
}

export interface InstantClock extends Clock {
  /** Every pause that was asked for, in ms. */
  readonly pausesMs: readonly number[];
}

/** A clock on which every pause is over at once, and time has passed by it. */
export function instantClock(): InstantClock {
  let nowMs = 0;
  const pausesMs: number[] = [];
  return {
    pausesMs,
    wallMs: () => nowMs,
    monotonicMs: () => nowMs,
    after(delayMs, callback) {
      pausesMs.push(delayMs);
      const soon = setImmediate(() => {
        nowMs += delayMs;
        callback();
      });
      return () => clearImmediate(soon);
    },
  };
}
