/**
 * Orchestrator and worker as the real programs, in processes of their own that a test may kill, with the real CLI in front.
 * Every platform has its own folder, port and tokens' defaults; nothing is shared with another test.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { endProgram, type Program, startProgram, untilUp } from '../../scripts/platform/children.ts';
import { freePort } from '../../scripts/platform/free-port.ts';
import { eventually } from './eventually.ts';
import type { JsonBody } from './orchestrator-for-tests.ts';

export interface CliResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface TestPlatform {
  readonly dir: string;
  readonly url: string;
  readonly port: number;
  /** Runs `avtomatika-bot ARGS`. `signal` sends SIGINT, as Ctrl-C does. */
  cli(
    args: readonly string[],
    options?: { signal?: AbortSignal; onStdout?: (text: string) => void },
  ): Promise<CliResult>;
  /** `avtomatika-bot status BOT --json`, parsed. */
  status(botId: string): Promise<JsonBody>;
  /** SIGKILL, and waits until the process is gone. */
  kill(name: Program['name']): Promise<void>;
  /** SIGTERM, and waits for a clean end. Returns the exit code. */
  stop(name: Program['name']): Promise<number>;
  start(name: Program['name']): Promise<void>;
  /** The process number of a program that runs. */
  pid(name: Program['name']): number;
  /** The programs' own logs, for an assertion or a message. */
  log(name: Program['name']): string;
  [Symbol.asyncDispose](): Promise<void>;
}

const cliTimeoutMs = 240_000;

/** `env` goes to both programs: RUNTIME, DOCKER_HOST, PIP_INDEX_URL and the like; ORCHESTRATOR_URL to dial by a proxy. */
export async function startTestPlatform(env: Readonly<Record<string, string>>): Promise<TestPlatform> {
  const dir = mkdtempSync(join(tmpdir(), 'platform-'));
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const programs = new Map<Program['name'], Program>();
  const logFile = (name: Program['name']) => join(dir, `${name}.log`);
  const start = async (name: Program['name']) => {
    const program = startProgram(name, {
      env: {
        ...process.env,
        LOG_LEVEL: 'info',
        ...env,
        PORT: String(port),
        DATA_DIR: join(dir, 'data'),
        ORCHESTRATOR_URL: env['ORCHESTRATOR_URL'] ?? url,
      },
      logFile: logFile(name),
    });
    programs.set(name, program);
    if (name === 'orchestrator') await untilUp(program, AbortSignal.timeout(30_000));
  };
  const running = (name: Program['name']): Program => {
    const program = programs.get(name);
    if (program === undefined) throw new Error(`the ${name} was not started`);
    return program;
  };
  const platform: TestPlatform = {
    dir,
    url,
    port,
    cli: (args, options = {}) =>
      new Promise((resolve, reject) => {
        const child = spawn(join(import.meta.dirname, '../../cli/bin/avtomatika-bot.js'), args, {
          env: { ...process.env, AVTOMATIKA_URL: url, AVTOMATIKA_TOKEN: 'test-client-token', NO_COLOR: '1' },
          stdio: ['ignore', 'pipe', 'pipe'],
        });
        const timer = setTimeout(() => child.kill('SIGKILL'), cliTimeoutMs);
        options.signal?.addEventListener('abort', () => child.kill('SIGINT'), { once: true });
        let stdout = '';
        let stderr = '';
        child.stdout.setEncoding('utf8').on('data', (text: string) => {
          stdout += text;
          options.onStdout?.(text);
        });
        child.stderr.setEncoding('utf8').on('data', (text: string) => {
          stderr += text;
        });
        child.once('error', reject);
        child.once('close', (code, signal) => {
          clearTimeout(timer);
          if (signal === 'SIGKILL') reject(new Error(`the CLI hung; stderr so far: ${stderr}`));
          else resolve({ code: code ?? 128, stdout, stderr });
        });
      }),
    async status(botId) {
      const { stdout, stderr } = await platform.cli(['status', botId, '--json']);
      if (stdout === '') throw new Error(stderr);
      return JSON.parse(stdout);
    },
    async kill(name) {
      const { child, ended } = running(name);
      child.kill('SIGKILL');
      await ended;
    },
    stop: (name) => endProgram(running(name)),
    start,
    pid: (name) => running(name).child.pid ?? Number.NaN,
    log: (name) => readFileSync(logFile(name), 'utf8'),
    async [Symbol.asyncDispose]() {
      const worker = programs.get('worker');
      const orchestrator = programs.get('orchestrator');
      if (worker) await endProgram(worker);
      if (orchestrator) await endProgram(orchestrator);
      rmSync(dir, { recursive: true, force: true });
    },
  };
  await start('orchestrator');
  await start('worker');
  return platform;
}

/** Deletes a bot with everything it has, so that a test leaves nothing on the engine. */
export async function deleteBot(platform: TestPlatform, botId: string): Promise<void> {
  const headers = { authorization: 'Bearer test-client-token', 'content-type': 'application/json' };
  const response = await fetch(`${platform.url}/jobs`, {
    method: 'POST',
    headers,
    body: JSON.stringify({ blueprint: 'bot_runner', data: { action: 'delete', bot_id: botId } }),
  });
  if (response.status === 404) return;
  const { job_id } = (await response.json()) as { job_id: string };
  await eventually(
    `${botId} is deleted`,
    async () => (await (await fetch(`${platform.url}/jobs/${job_id}`, { headers })).json()) as JsonBody,
    ({ status }) => status === 'completed',
    { timeoutMs: 30_000 },
  );
}
