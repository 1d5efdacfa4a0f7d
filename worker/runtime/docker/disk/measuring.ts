/** Measures what bots have written, and knows whether that works. Several measurements may be under way. */
import type { Clock } from '#common/clock.ts';
import type { Logger } from '#common/log.ts';
import type { DiskMeasure } from '../../container-runtime.ts';
import type { EngineClient } from '../engine-client.ts';
import { EngineRefusal } from '../engine-errors.ts';
import { measureContainers, ToolsError } from './measure.ts';
import type { RunTools } from './run-tools.ts';
import type { FindToolsImage } from './tools-image.ts';

export interface Measuring {
  /** As ContainerRuntime.measureDisk. */
  measure(ids: readonly string[], limitMs: number, signal: AbortSignal): Promise<readonly DiskMeasure[]>;
  /** One sentence: why what bots write is not measured; undefined when it is. */
  obstacle(): string | undefined;
  /** Of what was measured last: bots whose volumes have no size of their own. */
  readonly unsized: Set<string>;
}

export interface MeasuringDeps {
  readonly engine: EngineClient;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly findTools: FindToolsImage;
  readonly run: RunTools;
}

/** Later than this, a measurement is none. */
const recentMs = 180_000;
/** One that is under way counts for so long: none takes longer that does not hang. */
const underWayMs = 90_000;

export function createMeasuring(deps: MeasuringDeps): Measuring {
  const { engine, clock, logger, findTools } = deps;
  /** When measuring worked last. */
  let workedAtMs: number | undefined;
  /** Why it did not work last time, in words that follow "because "; empty when it did. */
  let why = 'it was not tried yet';
  /** When those that are under way began. */
  const underWay = new Set<{ readonly atMs: number }>();
  const unsized = new Set<string>();
  const failed = (reason: string) => {
    if (why !== reason) logger.warn({ reason }, 'what bots write cannot be measured');
    why = reason;
  };
  const measured = async (ids: readonly string[], limitMs: number, signal: AbortSignal) => {
    if ((await engine.kind(signal)) === 'podman') {
      failed('it is not done on Podman');
      return [];
    }
    const tools = await findTools(engine, signal);
    if ('why' in tools) {
      failed(tools.why);
      return [];
    }
    if (ids.length === 0 && workedAtMs !== undefined) {
      workedAtMs = clock.monotonicMs();
      return [];
    }
    try {
      const measures = await measureContainers(deps, tools, { ids, limitMs }, signal);
      workedAtMs = clock.monotonicMs();
      why = '';
      for (const { containerId, isSized } of measures) {
        if (isSized) unsized.delete(containerId);
        else unsized.add(containerId);
      }
      return measures;
    } catch (error) {
      if (error instanceof ToolsError) {
        failed(error.message);
        return [];
      }
      if (!(error instanceof EngineRefusal)) {
        if (!signal.aborted) failed(error instanceof Error ? error.message : String(error));
        throw error;
      }
      failed(`the engine refused the container that measures: ${error.text.slice(0, 200)}`);
      return [];
    }
  };
  return {
    unsized,
    async measure(ids, limitMs, signal) {
      const own = { atMs: clock.monotonicMs() };
      underWay.add(own);
      try {
        return await measured(ids, limitMs, signal);
      } finally {
        underWay.delete(own);
      }
    },
    obstacle() {
      if (workedAtMs === undefined) return `What bots write is not measured, because ${why}.`;
      const nowMs = clock.monotonicMs();
      const ageMs = nowMs - workedAtMs;
      const isUnderWay = why === '' && [...underWay].some(({ atMs }) => nowMs - atMs <= underWayMs);
      if (ageMs <= recentMs || (isUnderWay && ageMs <= recentMs + underWayMs)) return undefined;
      const reason = why === '' ? '' : `, because ${why}`;
      return `What bots write has not been measured for ${Math.round(ageMs / 1000)} s${reason}.`;
    },
  };
}
