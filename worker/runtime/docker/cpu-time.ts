/** The CPU time of a container, from the engine's stream of statistics, which has a line about every second. */
import { createLineSplitter } from '../output-lines.ts';
import { record } from './answers.ts';
import type { EngineClient } from './engine-client.ts';

const nsPerMs = 1_000_000;
const lineMaxBytes = 1024 * 1024;

/** As ContainerRuntime.watchCpu. */
export async function watchContainerCpu(
  engine: EngineClient,
  id: string,
  onSample: (usedMs: number) => void,
  signal: AbortSignal,
): Promise<void> {
  try {
    const path = `/containers/${encodeURIComponent(id)}/stats`;
    const answer = await engine.stream({ method: 'GET', path, query: { stream: true } }, signal);
    const lines = createLineSplitter((line) => {
      const usedMs = cpuTimeOf(line);
      if (usedMs !== undefined) onSample(usedMs);
    }, lineMaxBytes);
    try {
      for await (const piece of answer) lines.push(piece);
    } finally {
      answer.destroy();
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

/** https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Container/operation/ContainerStats */
function cpuTimeOf(line: string): number | undefined {
  let answer: unknown;
  try {
    answer = JSON.parse(line);
  } catch {
    // The stream was cut within the line.
    return undefined;
  }
  const used = record(record(record(answer)['cpu_stats'])['cpu_usage'])['total_usage'];
  // 0 without a container: one that has just ended, or has not begun.
  return typeof used === 'number' && used > 0 ? used / nsPerMs : undefined;
}
