/** The orchestrator alone, as the real program in a process of its own that a test may kill. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { endProgram, type Program, startProgram, untilUp } from '../../scripts/platform/children.ts';
import { freePort } from '../../scripts/platform/free-port.ts';
import { clientToken, type JsonBody } from './orchestrator-for-tests.ts';

export interface OrchestratorProgram {
  readonly url: string;
  /** Its DATA_DIR. */
  readonly dir: string;
  start(): Promise<void>;
  /** SIGKILL, and waits until it is gone. */
  kill(): Promise<void>;
  /** POST /jobs with the client token. Rejects while it is away. */
  post(data: unknown): Promise<{ status: number; body: JsonBody }>;
  /** Its log so far. */
  log(): string;
  /** Of its process; another one after each start. */
  pid(): number;
  /** Resident memory in bytes, as the kernel counts it. */
  rssBytes(): number;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Started and healthy. */
export async function startOrchestratorProgram(
  env: Readonly<Record<string, string>> = {},
): Promise<OrchestratorProgram> {
  const dir = mkdtempSync(join(tmpdir(), 'orchestrator-program-'));
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const logFile = join(dir, 'log');
  let program: Program | undefined;
  const self: OrchestratorProgram = {
    url,
    dir,
    async start() {
      program = startProgram('orchestrator', {
        env: { ...process.env, ...env, PORT: String(port), DATA_DIR: dir },
        logFile,
      });
      await untilUp(program, AbortSignal.timeout(30_000));
    },
    async kill() {
      program?.child.kill('SIGKILL');
      await program?.ended;
    },
    async post(data) {
      const response = await fetch(`${url}/jobs`, {
        method: 'POST',
        headers: { authorization: `Bearer ${clientToken}`, 'content-type': 'application/json' },
        body: JSON.stringify({ blueprint: 'bot_runner', data }),
      });
      return { status: response.status, body: (await response.json()) as JsonBody };
    },
    log: () => readFileSync(logFile, 'utf8'),
    pid: () => program?.child.pid ?? Number.NaN,
    rssBytes() {
      const status = readFileSync(`/proc/${program?.child.pid}/status`, 'utf8');
      return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? Number.NaN) * 1024;
    },
    async [Symbol.asyncDispose]() {
      if (program) await endProgram(program);
      rmSync(dir, { recursive: true, force: true });
    },
  };
  try {
    await self.start();
  } catch (error) {
    await self[Symbol.asyncDispose]();
    throw error;
  }
  return self;
}
