/** The folder of a former release, opened by today's programs at the time at which that release was killed. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Clock, systemClock } from '#common/clock.ts';
import { silentLogger } from '#common/log.ts';
import { readOrchestratorConfig } from '../../orchestrator/config.ts';
import { type RunningOrchestrator, startOrchestrator } from '../../orchestrator/program.ts';
import { unpackFolder } from '../../scripts/upgrade/archive.ts';
import type { MadeState } from '../../scripts/upgrade/make-state.ts';
import { readWorkerConfig } from '../../worker/config.ts';
import { type RunningWorker, startWorker } from '../../worker/program.ts';

export interface RecordedContainer {
  readonly botId: string;
  readonly name: string;
  readonly container: { readonly body: object; readonly image: string; readonly imageLabels: Record<string, string> };
}

export type Made = MadeState & { readonly docker: readonly RecordedContainer[] };

export interface FormerState {
  readonly dir: string;
  readonly made: Made;
  /** Real time, moved back to the end of the former release: its jobs and keys are as young as they were. */
  readonly clock: Clock;
  startOrchestrator(env?: Readonly<Record<string, string>>): Promise<RunningOrchestrator>;
  /** Worker `id` on its own folder. */
  startWorker(id: string, url: string, labels: string): Promise<RunningWorker>;
  close(): Promise<void>;
}

export async function openFormerState(name: string): Promise<FormerState> {
  const dir = mkdtempSync(join(tmpdir(), 'upgrade-'));
  await unpackFolder(join(import.meta.dirname, `${name}.tar.br`), dir);
  const made: Made = JSON.parse(readFileSync(join(dir, 'made.json'), 'utf8'));
  const sinceMs = systemClock.wallMs() - made.madeAt;
  const clock: Clock = { ...systemClock, wallMs: () => systemClock.wallMs() - sinceMs };
  const running: { stop(): Promise<void> }[] = [];
  const kept = async <T extends { stop(): Promise<void> }>(starting: Promise<T>): Promise<T> => {
    const one = await starting;
    running.unshift(one);
    return one;
  };
  return {
    dir,
    made,
    clock,
    startOrchestrator: (env = {}) =>
      kept(
        startOrchestrator({
          config: readOrchestratorConfig({ PORT: '0', DATA_DIR: dir, MAX_BOTS_PER_USER: '30', ...env }),
          clock,
          logger: silentLogger,
        }),
      ),
    startWorker: (id, url, labels) =>
      kept(
        startWorker({
          config: readWorkerConfig({
            ORCHESTRATOR_URL: url,
            DATA_DIR: join(dir, id),
            WORKER_LABELS: labels,
            RUNTIME: 'process',
          }),
          clock,
          logger: silentLogger,
        }),
      ),
    async close() {
      for (const one of running) await one.stop();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
