/**
 * Scenarios as text, after the tests of etcd's raft: blocks of commands, "----", and what had happened by then.
 *
 *   join w1
 *   start ann/echo
 *   ----
 *   job 1: start ann/echo
 *   ...
 */
import { runCommand } from './commands.ts';
import type { WorldOptions } from './simulated-engine.ts';
import { World } from './world.ts';

const divider = '----';

export interface Block {
  /** Comments among them. */
  readonly input: readonly string[];
  readonly expected: readonly string[];
}

export const defaultOptions: WorldOptions = { maxBotsPerUser: 3, maxRuntimeMs: 0, twice: true, conflictEvery: 0 };

export function parseScenario(text: string): readonly Block[] {
  return text
    .split(/\n\n+/)
    .map((block) => block.split('\n').filter((line) => line !== ''))
    .filter((lines) => lines.length > 0)
    .map((lines) => {
      const at = lines.indexOf(divider);
      return at === -1 ? { input: lines, expected: [] } : { input: lines.slice(0, at), expected: lines.slice(at + 1) };
    });
}

/** Runs a scenario. Returns it with what happened in place of what was expected. */
export function runScenario(text: string, mode: Partial<WorldOptions> = {}): string {
  const blocks = parseScenario(text);
  const world = new World({ ...optionsOf(blocks), ...mode });
  return `${blocks.map((block) => runBlock(world, block)).join('\n\n')}\n`;
}

function runBlock(world: World, { input }: Block): string {
  const run = input.filter((line) => !line.startsWith('#') && !line.startsWith('with '));
  // Comments alone.
  if (run.length === 0) return input.join('\n');
  for (const line of run) runCommand(world, line);
  const trace = world.trace.take();
  return [...input, divider, ...(trace.length === 0 ? ['nothing'] : trace)].join('\n');
}

/** `with quota=1 max-runtime-hours=1` at the beginning. */
function optionsOf(blocks: readonly Block[]): WorldOptions {
  const line = blocks.flatMap(({ input }) => input).find((text) => text.startsWith('with ')) ?? '';
  const numberOf = (name: string) => Number(new RegExp(`${name}=(\\d+)`).exec(line)?.[1] ?? Number.NaN);
  const quota = numberOf('quota');
  const hours = numberOf('max-runtime-hours');
  return {
    ...defaultOptions,
    ...(Number.isNaN(quota) ? {} : { maxBotsPerUser: quota }),
    ...(Number.isNaN(hours) ? {} : { maxRuntimeMs: hours * 3_600_000 }),
  };
}
