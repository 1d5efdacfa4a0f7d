/** Runs the commands of a seed, and makes what fails as small as it can be. */
import { runCommand } from './commands.ts';
import { randomCommands } from './random-commands.ts';
import { World } from './world.ts';

/** Small, so that it is reached. */
const options = { maxBotsPerUser: 2, maxRuntimeMs: 0 };

/** Every how many seeds each change is made twice. */
const twiceEvery = 16;

/** What is wrong after these commands; undefined when nothing is. */
export function findFault(commands: readonly string[], twice: boolean): Error | undefined {
  const world = new World({ ...options, twice });
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
  const twice = seed % twiceEvery === 0;
  const fault = findFault(commands, twice);
  if (fault === undefined) return undefined;
  return { seed, message: fault.stack ?? fault.message, commands: shrink(commands, ruleOf(fault), twice) };
}

/** The rule that is broken: what comes after it names bots and numbers. */
const ruleOf = (error: Error): string => error.message.split(':')[0] ?? error.message;

/** Leaves out what can be left out while the same rule stays broken: halves first, then single commands, then options of commands. */
function shrink(commands: readonly string[], rule: string, twice: boolean): readonly string[] {
  const fails = (some: readonly string[]) => {
    const fault = findFault(some, twice);
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
