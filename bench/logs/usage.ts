/** Memory and processor time of the two programs. */
import { readFileSync, writeFileSync } from 'node:fs';
import type { TestPlatform } from '../../test/kit/platform-for-tests.ts';
import { cpuMs } from '../process-usage.ts';

const programs = ['orchestrator', 'worker'] as const;

export interface Usage {
  readonly rssMb: number;
  /** Since the last call of `resetPeaks`. */
  readonly peakMb: number;
  readonly cpuMs: number;
}

export function usageOf(platform: TestPlatform): readonly Usage[] {
  return programs.map((name) => {
    const status = readFileSync(`/proc/${platform.pid(name)}/status`, 'utf8');
    const of = (field: string) => Math.round(Number(new RegExp(`${field}:\\s+(\\d+)`).exec(status)?.[1]) / 1024);
    return { rssMb: of('VmRSS'), peakMb: of('VmHWM'), cpuMs: cpuMs(platform.pid(name)) };
  });
}

/** https://man7.org/linux/man-pages/man5/proc_pid_clear_refs.5.html */
export function resetPeaks(platform: TestPlatform): void {
  for (const name of programs) writeFileSync(`/proc/${platform.pid(name)}/clear_refs`, '5');
}

export function printUsage(before: readonly Usage[], atEnd: readonly Usage[], later: readonly Usage[]): void {
  for (const [index, name] of programs.entries()) {
    const [first, end, last] = [before[index], atEnd[index], later[index]];
    if (!first || !end || !last) continue;
    console.log(
      `  ${name.padEnd(13)} RSS before ${first.rssMb} MB, at most ${last.peakMb} MB, later ${last.rssMb} MB = ` +
        `${(last.rssMb / first.rssMb).toFixed(2)}x; CPU of the flood ${((end.cpuMs - first.cpuMs) / 1000).toFixed(1)} s`,
    );
  }
}
