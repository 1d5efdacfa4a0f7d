/** The clock that ages of files are reckoned with, and what is kept of it: a small file in the worker's folder. */
import { join } from 'node:path';
import { AgeClock, type AgeMark } from '#common/age-clock.ts';
import type { Clock } from '#common/clock.ts';
import type { Logger } from '#common/log.ts';
import { readFileIfAny, writeFileAtomic } from './atomic-file.ts';

export async function openAgeClock(dir: string, clock: Clock, logger: Logger): Promise<AgeClock> {
  const path = join(dir, 'clock');
  return new AgeClock(clock, parseMark((await readFileIfAny(path))?.toString() ?? ''), (mark) => {
    writeFileAtomic(path, JSON.stringify(mark)).catch((error: unknown) => {
      logger.warn({ err: error }, 'the time could not be stored');
    });
  });
}

/** Undefined for what this program did not write: then the clock is taken as it is. */
function parseMark(text: string): AgeMark | undefined {
  try {
    const mark: unknown = JSON.parse(text);
    // Only this program writes the file; the parts that decide are checked.
    const { bootId, offsetMs } = (mark ?? {}) as Partial<AgeMark>;
    return typeof bootId === 'string' && Number.isFinite(offsetMs) ? (mark as AgeMark) : undefined;
  } catch {
    return undefined;
  }
}
