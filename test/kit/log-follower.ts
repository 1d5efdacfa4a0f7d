/** `avtomatika-bot logs BOT --json` as a process of its own, which a test can kill, and what it has shown so far. */
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import type { TestPlatform } from './platform-for-tests.ts';

export interface ShownLine {
  readonly stream: string;
  readonly text: string;
  readonly cursor: string;
  readonly time: string;
}

export interface LogFollower {
  /** Whole lines only: what a killed process left half-written is not among them. */
  readonly lines: readonly ShownLine[];
  readonly child: ChildProcess;
  stderr(): string;
  /** Resolves with the exit code; 137 when killed. */
  readonly ended: Promise<number>;
  /** SIGKILL, and waits for the end. */
  kill(): Promise<void>;
}

// Not the launcher: it hands on to a process of its own, which would outlive its kill.
const program = join(import.meta.dirname, '../../cli/main.ts');

/** `onLine` is called as each line comes. */
export function followLog(
  platform: Pick<TestPlatform, 'url'>,
  args: readonly string[],
  onLine: (line: ShownLine) => void = () => undefined,
): LogFollower {
  const child = spawn(process.execPath, [program, 'logs', ...args, '--json'], {
    env: { ...process.env, AVTOMATIKA_URL: platform.url, AVTOMATIKA_TOKEN: 'test-client-token', NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const lines: ShownLine[] = [];
  let rest = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const parts = (rest + text).split('\n');
    rest = parts.pop() ?? '';
    for (const part of parts) {
      const line: ShownLine = JSON.parse(part);
      lines.push(line);
      onLine(line);
    }
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const ended = new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve(code ?? (signal === null ? 1 : 137)));
  });
  return {
    lines,
    child,
    ended,
    stderr: () => stderr,
    async kill() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}
