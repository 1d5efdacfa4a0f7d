/** The program: binds one run to this process, its streams, its signals and the network. */
import { isatty } from 'node:tty';
import { systemClock } from '#common/clock.ts';
import { endThisProgram } from '#common/end-program.ts';
import type { CliContext } from './calls/context.ts';
import { Interrupted } from './failures/errors.ts';
import { exitCodes } from './failures/exit-codes.ts';
import { run } from './run.ts';

// A terminal sends Ctrl-C to the whole process group and the launcher forwards it too: what follows this soon is the
// same key press. A later one means that the user does not want to wait for the end.
const samePressMs = 500;

const ending = new AbortController();
let interruptedAtMs: number | undefined;

function onSignal(): void {
  const nowMs = systemClock.monotonicMs();
  interruptedAtMs ??= nowMs;
  if (nowMs - interruptedAtMs > samePressMs) endThisProgram(exitCodes.interrupted);
  ending.abort(new Interrupted());
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal);

for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    // The reader has enough (`logs -f | head`): not a failure, and nobody is left to report it to.
    process.exit(error.code === 'EPIPE' ? exitCodes.done : exitCodes.failed);
  });
}

const context: CliContext = {
  env: process.env,
  // Opened when a command reads it: most never do.
  get stdin() {
    return process.stdin;
  },
  stdout: process.stdout,
  stderr: process.stderr,
  colorDepth: 1, // of what clipanion would print on its own, which is nothing
  terminal: { stdin: isatty(0), stdout: isatty(1), stderr: isatty(2), columns: () => process.stderr.columns || 80 },
  cwd: process.cwd(),
  clock: systemClock,
  random: Math.random,
  newIdempotencyKey: () => crypto.randomUUID(),
  openClient: async (settings) => (await import('./calls/client.ts')).openClient(settings),
  signal: ending.signal,
};

// No await at the top level: the packed program is CommonJS, which starts faster.
void main();

async function main(): Promise<void> {
  const exitCode = await run(process.argv.slice(2), context);
  // A connection that is still being opened would keep the process alive for minutes: Node.js cannot give it up. What was
  // written goes out first.
  await Promise.all(
    [process.stdout, process.stderr].map((stream) => new Promise((resolve) => stream.write('', resolve))),
  );
  process.exit(exitCode);
}
