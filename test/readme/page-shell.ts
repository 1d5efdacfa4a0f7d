/**
 * A shell as a reader has it open: one command after the other, each in a process of its own that a test can wait for and
 * interrupt. What a command exports or assigns is there for the next ones.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import type { Variable } from '#common/env-config.ts';
import { orchestratorVariables } from '../../orchestrator/settings.ts';
import { workerVariables } from '../../worker/config.ts';

export interface CommandEnd {
  /** 128 + number when a signal ended it. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  /** Called with all of stdout so far; true presses Ctrl-C. */
  readonly interruptWhen?: (stdout: string) => boolean;
  /** Killed, and reported as hanging, after that. Default 120 s. */
  readonly limitMs?: number;
}

const signalNumbers: Readonly<Record<string, number>> = { SIGINT: 2, SIGKILL: 9, SIGTERM: 15 };

export class PageShell {
  readonly #env: NodeJS.ProcessEnv;
  readonly #cwd: string;
  readonly #inside: readonly string[];
  readonly #dir = mkdtempSync(join(tmpdir(), 'page-shell-'));

  /** `inside`: the beginning of a command that runs another one somewhere else (newcomers-machine.ts). */
  constructor(cwd: string, env: Readonly<Record<string, string>>, inside: readonly string[] = []) {
    this.#cwd = cwd;
    this.#env = readerEnv(env);
    this.#inside = inside;
  }

  /** Resolves when the command has ended, whatever its exit code. Throws when it hangs. */
  run(command: string, { interruptWhen, limitMs = 120_000 }: RunOptions = {}): Promise<CommandEnd> {
    const kept = join(this.#dir, 'variables');
    // allexport: plain assignments are kept like exports.
    const restore = existsSync(kept) ? `set -a; . '${kept}'` : 'set -a';
    const script = `${restore}\n${command}\nshell_code=$?; export -p > '${kept}'; exit $shell_code`;
    const [program = 'sh', ...args] = [...this.#inside, 'sh', '-c', script];
    const child = spawn(program, args, {
      cwd: this.#cwd,
      env: this.#env,
      stdio: ['ignore', 'pipe', 'pipe'],
      // Its own process group, which Ctrl-C reaches as a whole.
      detached: true,
    });
    return ended(command, child, interruptWhen, limitMs);
  }

  [Symbol.dispose](): void {
    rmSync(this.#dir, { recursive: true, force: true });
  }
}

/** Throws, with all that it printed, when a command did not end with that code. */
export function assertCode(end: CommandEnd, code: number, where: string): void {
  if (end.code === code) return;
  throw new Error(`${where} ended with code ${end.code}, not ${code}\n${end.stdout}\n${end.stderr}`);
}

function ended(
  command: string,
  child: ChildProcess,
  interruptWhen: RunOptions['interruptWhen'],
  limitMs: number,
): Promise<CommandEnd> {
  return new Promise((resolve, reject) => {
    const out = { stdout: '', stderr: '' };
    let interrupted = false;
    let hung = false;
    const timer = setTimeout(() => {
      hung = true;
      signalGroup(child, 'SIGKILL');
    }, limitMs);
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      out.stdout += text;
      if (interrupted || !interruptWhen?.(out.stdout)) return;
      interrupted = true;
      signalGroup(child, 'SIGINT');
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      out.stderr += text;
    });
    child.once('error', reject);
    child.once('close', (code, signal) => {
      clearTimeout(timer);
      if (hung) reject(new Error(`did not end within ${limitMs} ms: ${command}\n${out.stdout}\n${out.stderr}`));
      else resolve({ code: code ?? 128 + (signalNumbers[signal ?? ''] ?? 0), ...out });
    });
  });
}

export function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch (error) {
    // It has just ended.
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}

/** What the test runner, npm and a user of the CLI would steer the programs with; a newcomer has none of it set. */
const foreign =
  /^(VITEST|NODE_ENV$|NODE_OPTIONS$|TEST$|DEV$|PROD$|AVTOMATIKA_|BOTRUNNER_|npm_|TELEGRAM_HOST$|BOT_TOKEN$|GRPC_)/;
/** Every setting of the two programs. */
const settings = new Set(
  [...Object.values(orchestratorVariables), ...Object.values(workerVariables)].flatMap(
    ({ name, aliases = [] }: Pick<Variable<unknown>, 'name' | 'aliases'>) => [name, ...aliases],
  ),
);

/** The environment of a reader's terminal, with what the test gives in its place. */
export function readerEnv(given: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(([name]) => !foreign.test(name) && !settings.has(name));
  // Stand-ins for the package index and for Telegram have private addresses here, which the firewall of a machine with nft
  // would keep from builds and bots; real ones have not.
  return {
    ...Object.fromEntries(own),
    EGRESS: 'open',
    DISK_LIMITS: 'off',
    PATH: pathOfMachine(),
    NO_COLOR: '1',
    ...given,
  };
}

/** PATH without the Node.js and the tools of this checkout, which npm and the test runner put first. */
const pathOfMachine = (): string =>
  (process.env['PATH'] ?? '')
    .split(delimiter)
    .filter((folder) => !folder.includes('node_modules'))
    .join(delimiter);
