/** An engine that is ended in the middle of a start: the program runs already, and the engine has not yet written that down. */
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import type { PrivateEngine } from './private-engine.ts';

const limitMs = 60_000;
/** As long as the engine may work at a time: less than it needs to write down what it has just started. */
const stepMs = 1;
/** What it has asked for is done by others, while it is stopped itself. */
const othersMs = 100;

/**
 * Lets the engine work in small steps until the container's program runs, kills the engine, and starts it again. Resolves with true
 * when the engine then does not know that the program runs; with false when it had come to writing it down. `start` asks for the
 * start; how that ends is the caller's business.
 */
export async function killInStart(
  engine: PrivateEngine,
  containerId: string,
  start: () => Promise<unknown>,
  isRunning: () => Promise<boolean>,
): Promise<boolean> {
  const starting = start().catch(() => undefined);
  const end = performance.now() + limitMs;
  for (;;) {
    await engine.freeze();
    const seen = processesOf(containerId).length > 0;
    await pause(seen ? othersMs : 10);
    if (processesOf(containerId).some((program) => !program.startsWith('runc'))) break;
    if (performance.now() > end) throw new Error(`container ${containerId} does not start within ${limitMs} ms`);
    engine.thaw();
    await pause(seen ? stepMs : 4);
  }
  await engine.kill();
  await engine.start();
  await starting;
  return !(await isRunning());
}

/** The command lines of the processes in a container of this machine, by its whole id; without those that have ended. */
export function processesOf(containerId: string): readonly string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => read(`/proc/${pid}/cgroup`).includes(containerId))
    .map((pid) => read(`/proc/${pid}/cmdline`).replaceAll('\0', ' ').trim())
    .filter((program) => program !== '');
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return ''; // it has just ended
  }
}
