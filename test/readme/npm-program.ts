/** A program that a page starts in one terminal and leaves running: npm start, npm run orchestrator, npm run worker. */
import { spawn } from 'node:child_process';
import { eventually } from '../kit/eventually.ts';
import { readerEnv, signalGroup } from './page-shell.ts';

export interface NpmProgram {
  /** All that it has printed. */
  output(): string;
  /** Ctrl-C, and waits for its end. Returns the exit code; 130 also when the shell around it was what the signal ended. */
  interrupt(): Promise<number>;
}

const endLimitMs = 45_000;

/** Resolves when it has printed `up`; throws, with nothing left running, when it ends first or 60 s pass. */
export async function startNpmProgram(
  command: string,
  up: string,
  cwd: string,
  env: Readonly<Record<string, string>>,
  inside: readonly string[] = [],
): Promise<NpmProgram> {
  const [program = 'sh', ...args] = [...inside, 'sh', '-c', command];
  const child = spawn(program, args, {
    cwd,
    env: readerEnv(env),
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  let printed = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      printed += text;
    });
  }
  let code: number | undefined;
  const ended = new Promise<number>((resolve) => {
    child.once('close', (exitCode) => {
      code = exitCode ?? 130;
      resolve(code);
    });
  });
  const interrupt = async () => {
    signalGroup(child, 'SIGINT');
    const timer = setTimeout(() => signalGroup(child, 'SIGKILL'), endLimitMs);
    const exitCode = await ended;
    clearTimeout(timer);
    return exitCode;
  };
  try {
    await eventually(
      `${command} prints "${up}"`,
      () => printed,
      () => code !== undefined || printed.includes(up),
      { timeoutMs: 60_000 },
    );
    if (code !== undefined) throw new Error(`${command} ended with code ${code}: ${printed}`);
  } catch (error) {
    await interrupt();
    throw error;
  }
  return { output: () => printed, interrupt };
}
