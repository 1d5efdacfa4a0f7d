/** What people should know about a stop that did not go smoothly. Pure. */
import type { ContainerFacts, StopReport } from '../runtime/container-runtime.ts';

const sigkillCode = 137;

/** `tookMs`: how long the stop took, by the monotonic clock. */
export const wasKilled = ({ exitCode, oomKilled }: ContainerFacts, tookMs: number, graceMs: number): boolean =>
  exitCode === sigkillCode && !oomKilled && tookMs >= graceMs;

export const describeKill = (afterMs: number): string =>
  `it did not end within ${Math.round(afterMs / 1000)} s of being asked to, and was killed; unsaved data is lost`;

const shellNotice =
  'its command is a shell, which received the stop signal instead of the bot: put "exec" before the command that runs the bot';

/** One line; undefined when all went well. `killedAfterMs`: the time it had, if it was killed. */
export function noticeOfStop({ behindShell }: StopReport, killedAfterMs: number | undefined): string | undefined {
  const lines = [killedAfterMs === undefined ? '' : describeKill(killedAfterMs), behindShell ? shellNotice : ''];
  return lines.filter(Boolean).join('; ') || undefined;
}
