/** Runs the commands of a seed, and makes what fails as small as it can be. */
import { runCommand } from './commands.ts';
import { randomCommands } from './random-commands.ts';
import type { WorldOptions } from './simulated-engine.ts';
import { World } from './world.ts';

/** Small, so that it is reached. */
const options = { maxBotsPerUser: 2, maxRuntimeMs: 0 };

/** Every how many seeds each change is made twice. */
const twiceEvery = 16;
/** Of every how many seeds the rows are loaded on demand, and others write too. */
const sharedEvery = 64;
const conflictEvery = 3;

type Mode = Pick<WorldOptions, 'twice' | 'conflictEvery'>;

/** How the seed is run. */
const modeOf = (seed: number): Mode => ({
  twice: seed % twiceEvery === 0,
  conflictEvery: seed % sharedEvery === 1 ? conflictEvery : 0,
});

/** What is wrong after these commands; undefined when nothing is. */
export function findFault(commands: readonly string[], mode: Mode): Error | undefined {
  const world = new World({ ...options, ...mode });
  try {
    for (const command of commands) runCommand(world, command);
    runCommand(world, 'settle');
    return undefined;
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

export interface Failure {
  readonly seed: number;
  /** What is wrong. */
  readonly message: string;
  /** The shortest commands found that are wrong in the same way, as a scenario without its traces. */
  readonly commands: readonly string[];
}

/** Runs one seed. Undefined when nothing is wrong. */
export function simulate(seed: number): Failure | undefined {
  const commands = randomCommands(seed);
  const mode = modeOf(seed);
  const fault = findFault(commands, mode);
  if (fault === undefined) return undefined;
  return { seed, message: fault.stack ?? fault.message, commands: shrink(commands, ruleOf(fault), mode) };
}

/** The rule that is broken: what comes after it names bots and numbers. */
const ruleOf = (error: Error): string => error.message.split(':')[0] ?? error.message;

/** Leaves out what can be left out while the same rule stays broken: halves first, then single commands, then options of commands. */
function shrink(commands: readonly string[], rule: string, mode: Mode): readonly string[] {
  const fails = (some: readonly string[]) => {
    const fault = findFault(some, mode);
    return fault !== undefined && ruleOf(fault) === rule;
  };
  let best = commands;
  for (let size = Math.ceil(best.length / 2); size >= 1; ) {
    const at = Array.from({ length: Math.ceil(best.length / size) }, (_, n) => n * size).find((from) =>
      fails([...best.slice(0, from), ...best.slice(from + size)]),
    );
    if (at !== undefined) best = [...best.slice(0, at), ...best.slice(at + size)];
    else if (size === 1) break;
    else size = Math.floor(size / 2);
  }
  for (let line = 0; line < best.length; line++) {
    for (const simpler of simplerOnes(best[line] ?? '')) {
      const tried = best.with(line, simpler);
      if (fails(tried)) {
        best = tried;
        break;
      }
    }
  }
  return best;
}

function simplerOnes(command: string): readonly string[] {
  const words = command.split(' ');
  return words.flatMap((word, at) =>
    at > 0 && (word.includes('=') || ['takeover', 'purge', 'all', 'lost:', 'unsent:'].includes(word))
      ? [words.toSpliced(at, 1).join(' ')]
      : [],
  );
}
