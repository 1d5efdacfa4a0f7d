/** The CPU time of a container, from the engine's stream of statistics, which has a line about every second. */
import { createLineSplitter } from '../output-lines.ts';
import { record } from './answers.ts';
import { type ContainerDeps, inspectContainer } from './containers.ts';

const nsPerMs = 1_000_000;
const lineMaxBytes = 1024 * 1024;

/** As ContainerRuntime.watchCpu. Docker's stream outlives the container's run: it has lines of zeros from then on. */
export async function watchContainerCpu(
  deps: ContainerDeps,
  id: string,
  onSample: (usedMs: number) => void,
  signal: AbortSignal,
): Promise<void> {
  try {
    const path = `/containers/${encodeURIComponent(id)}/stats`;
    const answer = await deps.engine.stream({ method: 'GET', path, query: { stream: true } }, signal);
    let mayHaveEnded = false;
    const lines = createLineSplitter((line) => {
      const usedMs = cpuTimeOf(line);
      if (usedMs === 0) mayHaveEnded = true;
      else if (usedMs !== undefined) onSample(usedMs);
    }, lineMaxBytes);
    try {
      for await (const piece of answer) {
        lines.push(piece);
        if (mayHaveEnded && (await hasEnded(deps, id, signal))) return;
        mayHaveEnded = false;
      }
    } finally {
      answer.destroy();
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

async function hasEnded(deps: ContainerDeps, id: string, signal: AbortSignal): Promise<boolean> {
  const facts = await inspectContainer(deps, id, signal);
  return facts === undefined || facts.status === 'exited';
}

/**
 * Undefined for a line that says nothing; 0 for a container that has just ended or has not begun.
 * https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Container/operation/ContainerStats
 */
function cpuTimeOf(line: string): number | undefined {
  let answer: unknown;
  try {
    answer = JSON.parse(line);
  } catch {
    // The stream was cut within the line.
    return undefined;
  }
  const used = record(record(record(answer)['cpu_stats'])['cpu_usage'])['total_usage'];
  return typeof used === 'number' ? used / nsPerMs : undefined;
}
