/** Whether what a probe saw is what bots are promised. Pure. */
import { type EngineFacts, isSandbox } from './engine-facts.ts';
import { probeLimits, type Seen } from './probe.ts';

/** A limit is set if it is what was asked for, or less: the kernel rounds memory to pages. */
const holds = (seen: number | undefined, asked: number): boolean => seen !== undefined && seen <= asked;

/** What does not hold, as a sentence; undefined when all does. */
export function judgeSeen(seen: Seen, facts: EngineFacts, runtimeClass: string | undefined): string | undefined {
  const sandbox = isSandbox(runtimeClass);
  if (sandbox) {
    if (seen.kernel === undefined || seen.kernel === facts.kernel) {
      return `With RUNTIME_CLASS=${runtimeClass} a container sees the kernel of the host (${facts.kernel}): it is no sandbox.`;
    }
    return seen.ateMore === false
      ? undefined
      : `With RUNTIME_CLASS=${runtimeClass} a container can use more memory than its limit: the runtime must not ignore control groups.`;
  }
  const missing = [
    ...(holds(seen.memoryBytes, probeLimits.memoryBytes) ? [] : ['memory']),
    ...(holds(seen.cpuMillis, probeLimits.cpuMillis) ? [] : ['CPU']),
    ...(holds(seen.pids, probeLimits.pids) ? [] : ['the number of processes']),
  ];
  if (missing.length > 0) return `In a container the limits do not hold: ${missing.join(', ')}.`;
  if (seen.seccomp !== 2) return 'In a container system calls are not filtered (seccomp).';
  if (seen.noNewPrivileges !== true) return 'In a container a program can gain privileges (no-new-privileges).';
  if (!/^0+$/.test(seen.capabilities ?? '')) return 'In a container a program without capabilities has some.';
  if (facts.userNamespace !== undefined && (seen.rootOutside === undefined || seen.rootOutside === 0)) {
    return 'The engine says that it uses user namespaces, but root in a container is root of the host.';
  }
  return undefined;
}
