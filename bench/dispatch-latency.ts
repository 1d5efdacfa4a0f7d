/**
 * How long a start takes from `POST /jobs` to the worker's handler, the job being on disk (fsync) before it is sent.
 *
 *     node bench/dispatch-latency.ts [JOBS] [OUTSTANDING]
 *
 * Orchestrator in a process of its own; clients and a worker played over grpc-js in this one, so that both ends share a
 * clock. Beside it, in the same run and interleaved, the floor: `GET /health` on the same port, which decides nothing.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectScriptedWorker } from '../test/kit/scripted-worker.ts';

const jobs = Number(process.argv[2] ?? 500);
const outstanding = Number(process.argv[3] ?? 1);
const port = 18_200 + (process.pid % 1_000);
const dir = mkdtempSync(join(tmpdir(), 'bench-'));
const agent = new http.Agent({ keepAlive: true, maxSockets: outstanding });

function request(method: string, path: string, body?: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: 'Bearer test-client-token', 'content-type': 'application/json' };
    const sent = http.request({ port, host: '127.0.0.1', method, path, agent, headers }, (response) => {
      response.resume();
      response.on('end', () => resolve(response.statusCode ?? 0));
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

function quantiles(name: string, values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (q: number) => sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN;
  process.stdout.write(
    `${name.padEnd(46)} p50 ${at(0.5).toFixed(2)} ms  p99 ${at(0.99).toFixed(2)} ms  (n=${sorted.length})\n`,
  );
  return at(0.5);
}

const orchestrator = spawn(process.execPath, [join(import.meta.dirname, '..', 'orchestrator', 'main.ts')], {
  env: { ...process.env, PORT: String(port), DATA_DIR: dir, MAX_BOTS_PER_USER: '10000', LOG_LEVEL: 'warn' },
  stdio: ['ignore', 'inherit', 'inherit'],
});
try {
  for (let tries = 0; ; tries++) {
    const up = await request('GET', '/health').catch(() => 0);
    if (up === 200) break;
    if (tries > 200) throw new Error('the orchestrator did not come up');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const worker = await connectScriptedWorker(`127.0.0.1:${port}`, {
    capacity: { $typeName: 'botrunner.v1.Capacity', memoryBytes: 1n << 50n, cpuMillis: 1 << 30 },
  });
  await worker.take('welcome');
  const arrived = new Map<string, number>();
  const arrivals = new Map<string, () => void>();
  worker.onMessage((message) => {
    if (message.body.case !== 'ensure') return;
    arrived.set(message.body.value.botId, performance.now());
    arrivals.get(message.body.value.botId)?.();
  });
  const sentToHandler: number[] = [];
  const acceptedToHandler: number[] = [];
  const floor: number[] = [];
  let next = 0;
  async function client(): Promise<void> {
    while (next < jobs) {
      const botId = `bot-${next++}`;
      const body = JSON.stringify({
        blueprint: 'bot_runner',
        data: { action: 'start', bot_id: botId, deployment_mode: 'simple', code: 'x'.repeat(1024) },
      });
      const here = new Promise<void>((resolve) => arrivals.set(botId, resolve));
      const sent = performance.now();
      const status = await request('POST', '/jobs', body);
      const accepted = performance.now();
      if (status !== 202) throw new Error(`POST /jobs answered ${status}`);
      await here;
      const handled = arrived.get(botId) ?? Number.NaN;
      sentToHandler.push(handled - sent);
      acceptedToHandler.push(handled - accepted);
      const asked = performance.now();
      await request('GET', '/health');
      floor.push(performance.now() - asked);
    }
  }
  await Promise.all(Array.from({ length: outstanding }, client));
  process.stdout.write(`${jobs} jobs, ${outstanding} outstanding, 1 KiB of code, Node ${process.version}\n`);
  const base = quantiles('floor: GET /health, answered', floor);
  const median = quantiles('POST /jobs sent -> worker handler', sentToHandler);
  quantiles('POST /jobs accepted -> worker handler', acceptedToHandler);
  process.stdout.write(`ratio of the medians, sent -> handler over the floor: ${(median / base).toFixed(1)}\n`);
  worker.close();
} finally {
  orchestrator.kill('SIGTERM');
  await new Promise((resolve) => orchestrator.once('exit', resolve));
  agent.destroy();
  rmSync(dir, { recursive: true, force: true });
}
