/** Processor time and memory of a process, as the kernel counts them (https://man7.org/linux/man-pages/man5/proc.5.html). */
import { readdirSync, readFileSync } from 'node:fs';

/** CPU that the process has used, without its children, ms; in steps of 10. */
export function ownCpuMs(pid: number): number {
  const [user = 0, system = 0] = cpuFields(pid);
  return (user + system) * msPerTick;
}

/** CPU that a process and its children have used, ms; in steps of 10. */
export function cpuMs(pid: number): number {
  try {
    const own = cpuFields(pid).reduce((sum, ticks) => sum + ticks, 0) * msPerTick;
    return own + childrenOf(pid).reduce((sum, child) => sum + cpuMs(child), 0);
  } catch {
    return 0; // it ended meanwhile; its parent has the sum
  }
}

export const rssBytes = (pid: number): number =>
  Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? Number.NaN) * 1024;

const msPerTick = 10;

/** utime, stime, cutime, cstime. */
function cpuFields(pid: number): readonly number[] {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, 15)
    .map(Number);
}

function childrenOf(pid: number): number[] {
  const tasks = readdirSync(`/proc/${pid}/task`);
  return tasks.flatMap((task) =>
    readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number),
  );
}
