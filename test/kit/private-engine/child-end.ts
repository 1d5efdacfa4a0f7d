/** Ends of child processes that do not keep this process alive (`unref`). */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';

/** True also for a child that could not be started at all. */
export function hasEnded(child: ChildProcess): boolean {
  return child.pid === undefined || child.exitCode !== null || child.signalCode !== null;
}

/** SIGKILL, and returns when it has ended and was reaped. Nothing to do for one that has ended. */
export async function killChild(child: ChildProcess): Promise<void> {
  if (hasEnded(child)) return;
  // Without this nothing may be left that keeps this process waiting for the event.
  child.ref();
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}
