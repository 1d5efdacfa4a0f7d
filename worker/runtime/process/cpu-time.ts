/** The CPU time of a bot's process, from /proc. Elsewhere than on Linux there are no samples. */
import { type Clock, sleep } from '#common/clock.ts';
import { readFileIfAny } from '../../state/atomic-file.ts';

const everyMs = 1000;
/** What /proc counts in; the same on every Linux: https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html. */
const msPerTick = 10;

/** As ContainerRuntime.watchCpu. `leader`: the wrapper's pid, or undefined once nothing runs. */
export async function watchProcessCpu(
  leader: () => Promise<number | undefined>,
  clock: Clock,
  onSample: (usedMs: number) => void,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    const pid = await leader();
    if (pid === undefined) return;
    const usedMs = await cpuTimeOfChildren(pid);
    if (usedMs !== undefined && !signal.aborted) onSample(usedMs);
    try {
      await sleep(clock, everyMs, signal);
    } catch {
      // sleep rejects for one reason: the abort that ends this watch.
      return;
    }
  }
}

async function cpuTimeOfChildren(pid: number): Promise<number | undefined> {
  const children = (await read(`/proc/${pid}/task/${pid}/children`))?.trim();
  if (!children) return undefined;
  let ticks = 0;
  for (const child of children.split(' ')) {
    const stat = (await read(`/proc/${child}/stat`)) ?? '';
    // From the third field on, as the second may hold spaces; user and system time, its own and of its ended children.
    const times = stat
      .slice(stat.lastIndexOf(')') + 2)
      .split(' ')
      .slice(11, 15);
    for (const time of times) ticks += Number(time);
  }
  return ticks * msPerTick;
}

/** Undefined when the process has ended. */
async function read(path: string): Promise<string | undefined> {
  try {
    return (await readFileIfAny(path))?.toString();
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ESRCH') return undefined;
    throw error;
  }
}
