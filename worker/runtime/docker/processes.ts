/** What runs in a container, as far as a stop has to know: whether the signal meets the bot or a shell before it. */
import { list, record, text } from './answers.ts';
import type { EngineClient } from './engine-client.ts';
import { EngineRefusal } from './engine-errors.ts';

export interface Process {
  readonly pid: string;
  readonly parent: string;
  readonly program: string;
}

const shells = new Set(['sh', 'bash', 'dash', 'ash', 'zsh', 'ksh']);

/** The engine's init passes a signal on to its own child alone: a shell there, with a child, keeps it from the bot. Pure. */
export function hasShellInFront(processes: readonly Process[]): boolean {
  const pids = new Set(processes.map(({ pid }) => pid));
  const init = processes.find(({ parent }) => !pids.has(parent));
  const front = processes.find(({ parent }) => parent === init?.pid);
  return front !== undefined && shells.has(front.program) && processes.some(({ parent }) => parent === front.pid);
}

/** False when it cannot be determined: a remark on a stop is not worth failing it. */
export async function isBehindShell(engine: EngineClient, id: string, signal: AbortSignal): Promise<boolean> {
  try {
    const query = { ps_args: '-eo pid,ppid,comm' };
    const answer = record(await engine.call({ method: 'GET', path: `/containers/${id}/top`, query }, signal));
    const rows = list(answer['Processes']).map((row) => list(row).map(text));
    return hasShellInFront(rows.map(([pid = '', parent = '', program = '']) => ({ pid, parent, program })));
  } catch (error) {
    // It has just ended, or the host has no ps.
    if (error instanceof EngineRefusal) return false;
    throw error;
  }
}
