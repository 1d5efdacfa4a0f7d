/** A stop that the bot did not follow in the time it had: how it is recognised, and what people read of it. Pure. */
import type { ContainerFacts } from '../runtime/container-runtime.ts';

const sigkillCode = 137;

/** `tookMs`: how long the stop took, by the monotonic clock. */
export const wasKilled = ({ exitCode, oomKilled }: ContainerFacts, tookMs: number, graceMs: number): boolean =>
  exitCode === sigkillCode && !oomKilled && tookMs >= graceMs;

const shells = new Set(['sh', 'bash', 'dash', 'ash', 'zsh', 'ksh', 'busybox']);

/** `command`: what the container runs, if the runtime can say. */
export function describeKill(afterMs: number, command: readonly string[] = []): string {
  const seconds = Math.round(afterMs / 1000);
  const what = `did not end within ${seconds} s of being asked to, and was killed; what it had not saved is lost`;
  const [program = ''] = command;
  return shells.has(program.split('/').at(-1) ?? '')
    ? `${what}. Its command is a shell, which does not pass the signal on: put "exec" before the command that runs the bot`
    : what;
}
