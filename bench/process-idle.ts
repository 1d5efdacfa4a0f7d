/**
 * What a worker with RUNTIME=process costs while its bots do nothing.
 *
 *     node bench/process-idle.ts [BOTS] [SECONDS]
 *
 * Orchestrator and worker are processes of their own. The worker's processor time is read from /proc before and after a
 * pause, in the same run without a bot and with all of them; the bots' own time is not the worker's.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ownCpuMs } from './process-usage.ts';

const bots = Number(process.argv[2] ?? 150);
const seconds = Number(process.argv[3] ?? 30);
const port = 19_200 + (process.pid % 1_000);
const url = `http://127.0.0.1:${port}`;
const dir = mkdtempSync(join(tmpdir(), 'bench-'));

const program = (main: string, env: Record<string, string>): ChildProcess =>
  spawn(process.execPath, [main], {
    env: { PATH: process.env['PATH'], LOG_LEVEL: 'warn', DATA_DIR: dir, ...env },
    stdio: ['ignore', 'ignore', 'inherit'],
  });

const headers = { authorization: 'Bearer test-client-token', 'content-type': 'application/json' };

async function ask(
  data: unknown,
): Promise<{ job_id: string; status: string; data: { result?: { bots: { status: string }[] } } }> {
  const sent = await fetch(`${url}/jobs`, {
    method: 'POST',
    headers,
    body: JSON.stringify({ blueprint: 'bot_runner', data }),
  });
  const { job_id } = (await sent.json()) as { job_id: string };
  return (await (await fetch(`${url}/jobs/${job_id}`, { headers })).json()) as Awaited<ReturnType<typeof ask>>;
}

async function until(what: string, holds: () => Promise<boolean>, limitMs: number): Promise<void> {
  const endMs = performance.now() + limitMs;
  while (!(await holds().catch(() => false))) {
    if (performance.now() > endMs) throw new Error(`${what}: not in time`);
    await sleep(500);
  }
}

async function idleShare(pid: number): Promise<number> {
  const [before, startMs] = [ownCpuMs(pid), performance.now()];
  await sleep(seconds * 1000);
  return (ownCpuMs(pid) - before) / (performance.now() - startMs);
}

const percent = (share: number): string => `${(share * 100).toFixed(1)} % of a core`;

const running = (count: number) => async () => {
  const { data } = await ask({ action: 'list' });
  return data.result?.bots.filter(({ status }) => status === 'running').length === count;
};

const orchestrator = program('orchestrator/main.ts', { PORT: String(port), MAX_BOTS_PER_USER: '1000' });
const worker = program('worker/main.ts', { RUNTIME: 'process', ORCHESTRATOR_URL: url, WORKER_ID: 'bench' });
try {
  const { pid = 0 } = worker;
  const code = 'import time\nwhile True: time.sleep(3600)\n';
  await until('the worker is there', async () => (await fetch(`${url}/health`)).ok, 60_000);
  const start = (n: number) =>
    ask({
      action: 'start',
      bot_id: `bot-${n}`,
      deployment_mode: 'simple',
      code,
      resource_limits: { memory_mb: 16, cpu_cores: 0.01 },
    });
  await start(0);
  await until('a bot runs', running(1), 60_000);
  await sleep(5000);
  const alone = await idleShare(pid);
  process.stdout.write(`  1 bot                 ${percent(alone)}\n`);
  for (let n = 1; n < bots; n += 1) await start(n);
  await until('all bots run', running(bots), 600_000);
  await sleep(10_000);
  const all = await idleShare(pid);
  process.stdout.write(`${String(bots).padStart(3)} bots                ${percent(all)}\n`);
  process.exitCode = all < 0.1 ? 0 : 1;
} finally {
  // The bots end with their worker, which is given the time for it.
  worker.kill('SIGTERM');
  await new Promise((resolve) => worker.once('exit', resolve));
  orchestrator.kill('SIGTERM');
  await new Promise((resolve) => orchestrator.once('exit', resolve));
  rmSync(dir, { recursive: true, force: true });
}
