/** A whole orchestrator in this process, on a free port of loopback, with a state folder of its own. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Clock, systemClock } from '#common/clock.ts';
import { silentLogger } from '#common/log.ts';
import { readOrchestratorConfig } from '../../orchestrator/config.ts';
import type { FleetTimes } from '../../orchestrator/fleet/fleet.ts';
import { type RunningOrchestrator, startOrchestrator } from '../../orchestrator/program.ts';
import type { SqliteOptions } from '../../orchestrator/store/sqlite.ts';

export const clientToken = 'test-client-token';
export const workerToken = 'test-worker-token';

export interface TestOrchestrator extends RunningOrchestrator {
  readonly dir: string;
  /** 127.0.0.1:PORT, for gRPC clients. */
  readonly address: string;
  /** POST /jobs with the client token; `status` and the parsed body. */
  post(data: unknown, headers?: Record<string, string>): Promise<{ status: number; body: JsonBody }>;
  get(path: string, token?: string): Promise<{ status: number; body: JsonBody }>;
  /** Stops and starts again on the same folder and port; `between` runs while nobody has the store. */
  restart(between?: () => void, env?: Readonly<Record<string, string>>): Promise<void>;
  /** Stops and removes the folder. */
  [Symbol.asyncDispose](): Promise<void>;
}

// Tests look into answers of many shapes; each asserts what it needs.
// biome-ignore lint/suspicious/noExplicitAny: the shape is what the tests assert
export type JsonBody = any;

export interface TestOrchestratorOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly clock?: Clock;
  readonly fleetTimes?: FleetTimes;
  readonly store?: SqliteOptions;
}

export async function startTestOrchestrator(options: TestOrchestratorOptions = {}): Promise<TestOrchestrator> {
  const dir = mkdtempSync(join(tmpdir(), 'orchestrator-'));
  const begin = (port: number, env: Readonly<Record<string, string>> = {}) =>
    startOrchestrator({
      config: readOrchestratorConfig({ PORT: String(port), DATA_DIR: dir, ...options.env, ...env }),
      clock: options.clock ?? systemClock,
      logger: silentLogger,
      store: { rehearses: true, ...options.store },
      ...(options.fleetTimes ? { fleetTimes: options.fleetTimes } : {}),
    });
  let running = await begin(0);
  const { port } = running;
  const base = `http://127.0.0.1:${port}`;
  const answer = async (response: Response) => ({ status: response.status, body: (await response.json()) as JsonBody });
  return {
    dir,
    port,
    url: base,
    address: `127.0.0.1:${port}`,
    post: async (data, headers = {}) =>
      answer(
        await fetch(`${base}/jobs`, {
          method: 'POST',
          headers: { authorization: `Bearer ${clientToken}`, 'content-type': 'application/json', ...headers },
          body: typeof data === 'string' ? data : JSON.stringify({ blueprint: 'bot_runner', data }),
        }),
      ),
    get: async (path, token = clientToken) =>
      answer(await fetch(`${base}${path}`, { headers: { authorization: `Bearer ${token}` } })),
    async restart(between, env = {}) {
      await running.stop();
      between?.();
      running = await begin(port, env);
    },
    stop: () => running.stop(),
    async [Symbol.asyncDispose]() {
      await running.stop();
      rmSync(dir, { recursive: true });
    },
  };
}
