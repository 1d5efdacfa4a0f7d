/**
 * How much running bots have written: in /data and the volumes of their images, and elsewhere in their containers. Many are
 * measured by one short-lived container, which sees these folders, read-only, and the host's processes, because a deleted file
 * that a bot holds open is in no folder.
 *
 * 1. Each bot has its own limit of time, and some are counted at once: what one has written delays the others by little.
 * 2. What cannot be counted is that bot's own matter, whatever the reason; nothing is said of the rest.
 */

import type { Clock } from '#common/clock.ts';
import { TimeLimitError, withTimeLimit } from '#common/waiting/time-limit.ts';
import type { DiskMeasure } from '../../container-runtime.ts';
import { diskLimitsOf, filesMaxOf, sizedTolerance } from '../../disk-limits.ts';
import { list, number, record, text, texts } from '../answers.ts';
import type { EngineClient } from '../engine-client.ts';
import { EngineRefusal, hasStatus } from '../engine-errors.ts';
import { type CountTarget, countArgs, countedAtOnce, countScript, readMeasures } from './count-script.ts';
import type { RunTools } from './run-tools.ts';
import { isSizedVolume, limitedLabel } from './sized-names.ts';
import type { ToolsImage } from './tools-image.ts';

export interface MeasureDeps {
  readonly engine: EngineClient;
  readonly run: RunTools;
  readonly clock: Clock;
}

const inspectsAtOnce = 4;
const inspectMs = 5000;
/** To make the container that counts, and to remove it. */
const runMs = 30_000;
/** So many names for each file that a bot may have: one with several names counts as one, and walking through all of them is bounded. */
const namesPerFile = 4;

/**
 * For each of the containers that still runs; `limitMs` is for each of them. Throws EngineRefusal when the engine does not run the
 * container that measures.
 */
export async function measureContainers(
  deps: MeasureDeps,
  tools: ToolsImage,
  { ids, limitMs }: { readonly ids: readonly string[]; readonly limitMs: number },
  signal: AbortSignal,
): Promise<readonly DiskMeasure[]> {
  const waiting = [...ids];
  const targets: CountTarget[] = [];
  const failures: unknown[] = [];
  const worker = async () => {
    for (let id = waiting.pop(); id !== undefined; id = waiting.pop()) {
      try {
        const target = await targetOf(deps, { id, limitMs }, signal);
        if (target !== undefined) targets.push(target);
      } catch (error) {
        // An engine that does not answer about one of them, because something holds it up, may well about the others.
        signal.throwIfAborted();
        failures.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: inspectsAtOnce }, worker));
  if (targets.length === 0 && failures.length > 0) throw failures[0];
  return countApart((some) => count(deps, tools, { targets: some, limitMs }, signal), targets);
}

/**
 * All together, unless the engine refuses that although it makes such containers: then a folder of one of them is gone by now, and the
 * others are counted without it.
 */
async function countApart(
  count: (targets: readonly CountTarget[]) => Promise<readonly DiskMeasure[]>,
  targets: readonly CountTarget[],
): Promise<readonly DiskMeasure[]> {
  try {
    return await count(targets);
  } catch (error) {
    if (!(error instanceof EngineRefusal) || targets.length === 0) throw error;
    await count([]);
    if (targets.length === 1) return [];
    const half = Math.ceil(targets.length / 2);
    return [...(await countApart(count, targets.slice(0, half))), ...(await countApart(count, targets.slice(half)))];
  }
}

async function count(
  { run }: MeasureDeps,
  tools: ToolsImage,
  { targets, limitMs }: { readonly targets: readonly CountTarget[]; readonly limitMs: number },
  signal: AbortSignal,
): Promise<readonly DiskMeasure[]> {
  const mounts = targets.flatMap(({ folders }, index) =>
    folders.map(({ path }, at) => ({
      Type: 'bind',
      Source: path,
      Target: `/m/${index}/${at}`,
      ReadOnly: true,
      // The engine asks for that within its own folder.
      BindOptions: { Propagation: 'rslave' },
    })),
  );
  const host = { Mounts: mounts, PidMode: 'host', CgroupnsMode: 'host', CapAdd: ['SYS_PTRACE', 'DAC_READ_SEARCH'] };
  const args = countArgs({ root: '/m', limitMs }, targets);
  const timeoutMs = runMs + Math.ceil(targets.length / countedAtOnce) * limitMs;
  const { code, output } = await run(tools, { script: countScript, args, timeoutMs, host }, signal);
  if (code !== 0) throw new Error(`the container that measures disks ended with ${code}: ${output.slice(0, 200)}`);
  const measures = readMeasures(targets, output);
  if (measures === undefined) throw new ToolsError("du does not count, as busybox's does not");
  return measures;
}

/** The programs of the image are of another kind than those that the script is for. */
export class ToolsError extends Error {}

async function targetOf(
  { engine, clock }: MeasureDeps,
  { id, limitMs }: { readonly id: string; readonly limitMs: number },
  signal: AbortSignal,
): Promise<CountTarget | undefined> {
  try {
    return await withTimeLimit(clock, 'a look into a container', inspectMs + limitMs, signal, async (limited) => {
      const found = record(await engine.call({ method: 'GET', path: `/containers/${id}/json` }, limited));
      const pid = number(record(found['State'])['Pid']);
      if (pid === 0) return undefined;
      const volumes = list(found['Mounts'])
        .map(record)
        .filter(({ Type }) => Type === 'volume');
      const facts = await Promise.all(volumes.map(({ Name }) => volumeFacts(engine, text(Name), limited)));
      const ofVolumes = volumes.map(({ Source }, at) => {
        return { path: text(Source), kind: facts[at]?.isSized ? ('sized' as const) : ('volume' as const) };
      });
      const layer = texts(record(found['GraphDriver'])['Data'])['UpperDir'];
      const limits = diskLimitsOf(texts(record(found['Config'])['Labels']));
      const filesMax = limits && filesMaxOf(Math.max(limits.dataBytes * sizedTolerance, limits.layerBytes));
      return {
        id,
        pid,
        folders: [...(layer === undefined ? [] : [{ path: layer, kind: 'layer' as const }]), ...ofVolumes],
        isOld: facts.some((fact) => fact?.isOld),
        namesMax: filesMax && filesMax * namesPerFile,
        ...(layer === undefined && { layerBytes: await layerSize({ engine, clock }, { id, limitMs }, limited) }),
      };
    });
  } catch (error) {
    // Ended and removed meanwhile.
    if (hasStatus(error, 404)) return undefined;
    throw error;
  }
}

/** From an engine that does not say where the layer is, and walks through it itself; "late" when that takes too long. */
async function layerSize(
  { engine, clock }: Pick<MeasureDeps, 'engine' | 'clock'>,
  { id, limitMs }: { readonly id: string; readonly limitMs: number },
  signal: AbortSignal,
): Promise<number | 'late'> {
  const path = `/containers/${id}/json`;
  try {
    const sized = await withTimeLimit(clock, 'the size of a container', limitMs, signal, (limited) =>
      engine.call({ method: 'GET', path, query: { size: true }, slow: true }, limited),
    );
    return number(record(sized)['SizeRw']);
  } catch (error) {
    if (error instanceof TimeLimitError) return 'late';
    throw error;
  }
}

async function volumeFacts(engine: EngineClient, name: string, signal: AbortSignal) {
  const volume = record(await engine.call({ method: 'GET', path: `/volumes/${encodeURIComponent(name)}` }, signal));
  return { isSized: isSizedVolume(volume), isOld: texts(volume['Labels'])[limitedLabel] === undefined };
}
