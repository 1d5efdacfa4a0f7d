/** The bot that prints, and signals for it. */
import { readdirSync, readFileSync } from 'node:fs';
import { eventually } from '../../test/kit/eventually.ts';
import type { TestPlatform } from '../../test/kit/platform-for-tests.ts';

export const pingEveryMs = 50;

export interface Printing {
  /** Lines of one flood, and bytes of each with its line end. */
  readonly lines: number;
  readonly bytes: number;
  /** Lines with their time of one SIGUSR1. */
  readonly pings: number;
}

/** SIGUSR1: a line each 50 ms that says when it was printed. SIGUSR2: the next flood, as fast as it can. */
export const botCode = ({ lines, bytes, pings }: Printing) => `
import signal, sys, time
wanted = [signal.SIGUSR1, signal.SIGUSR2]
signal.pthread_sigmask(signal.SIG_BLOCK, wanted)
# Seen from outside: it waits for its signals.
signal.signal(signal.SIGUSR1, lambda *_: None)
print('ready', flush=True)
pad = '.' * ${bytes}
flood = 0
while True:
    if signal.sigwait(wanted) == signal.SIGUSR1:
        for i in range(${pings}):
            print('ping %d' % time.time_ns(), flush=True)
            time.sleep(${pingEveryMs / 1000})
        continue
    flood += 1
    for i in range(1, ${lines} + 1, 1000):
        sys.stdout.write(''.join(('%d %d ' % (flood, n) + pad)[:${bytes} - 1] + '\\n' for n in range(i, min(i + 1000, ${lines} + 1))))
    sys.stdout.flush()
`;

/** Starts a bot with this code; resolves with how to send it a signal, whatever runs it. */
export async function startBot(
  platform: TestPlatform,
  name: string,
  file: string,
): Promise<(signal: 'SIGUSR1' | 'SIGUSR2') => void> {
  const mark = `${name}-${process.pid}`;
  const started = await platform.cli(['start', name, '--simple', file, '--env', `BENCH_BOT=${mark}`]);
  if (started.code !== 0) throw new Error(started.stderr);
  const pid = await eventually(
    `${name} waits for a signal`,
    () => waitingBot(mark),
    (found) => found !== undefined,
    { timeoutMs: 60_000 },
  );
  return (signal) => process.kill(pid ?? Number.NaN, signal);
}

/** The process of the bot that was started with this value of BENCH_BOT, if it waits for a signal. */
export const waitingBot = (mark: string): number | undefined =>
  readdirSync('/proc')
    .map(Number)
    .filter(Boolean)
    .find((pid) => isWaitingBot(pid, `BENCH_BOT=${mark}`));

/** Its shell and its init have the same environment, but do not catch SIGUSR1. */
function isWaitingBot(pid: number, mark: string): boolean {
  try {
    if (!readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0').includes(mark)) return false;
    const status = readFileSync(`/proc/${pid}/status`, 'latin1');
    const caught = BigInt(`0x${/^SigCgt:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0'}`);
    return /^Name:\s*python/m.test(status) && (caught & sigusr1) !== 0n;
  } catch {
    return false; // it has ended
  }
}
const sigusr1 = 1n << 9n;
