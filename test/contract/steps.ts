/** What the bots of the contract suite do, as data: real ones get it in the variable STEPS, fake ones run it here. */
import type { FakeBot } from '../kit/fake-runtime/fake-engine.ts';

/**
 * After its last step a bot waits for SIGTERM or SIGINT, prints "got SIGTERM" or "got SIGINT" and ends with 0. `fill` prints so many bytes
 * without a line end, `keep` and `kept` write and look for a file in the bot's data folder, `work` uses so many ms of CPU time, `count` prints "line 0", "line 1", ..., `tick` prints "tick N"
 * every so many ms forever.
 */
export type Step =
  | readonly ['print' | 'printError' | 'printEnv' | 'import' | 'touch' | 'exists' | 'keep' | 'kept' | 'file', string]
  | readonly ['count' | 'tick' | 'fill' | 'eat' | 'work' | 'exit', number]
  | readonly ['ignoreTerm', true];

/** Runs the steps of a fake bot. */
export function runSteps(bot: FakeBot): void {
  bot.onTerminate((signal) => {
    bot.print(`got ${signal}`);
    bot.exit(0);
  });
  let unfinished = '';
  const steps: readonly Step[] = JSON.parse(bot.env['STEPS'] ?? '[]');
  for (const [name, value] of steps) {
    if (name === 'print') {
      bot.print(unfinished + value);
      unfinished = '';
    } else if (name === 'fill') unfinished += 'x'.repeat(value);
    else if (name === 'printError') bot.print(value, 'stderr');
    else if (name === 'printEnv') bot.print(`${value}=${bot.env[value]}`);
    else if (name === 'count') for (let index = 0; index < value; index += 1) bot.print(`line ${index}`);
    else if (name === 'tick') tick(bot, value);
    else if (name === 'keep') bot.data.add(value);
    else if (name === 'kept') bot.print(`${value} ${bot.data.has(value) ? 'yes' : 'no'}`);
    else if (name === 'work') bot.useCpu(value);
    else if (name === 'ignoreTerm') bot.onTerminate(() => {});
    else if (name === 'exit') {
      if (unfinished !== '') bot.print(unfinished);
      bot.exit(value);
      return;
    } else throw new Error(`fake bots have no step ${name}`);
  }
}

function tick(bot: FakeBot, everyMs: number): void {
  let index = 0;
  const timer = setInterval(() => {
    bot.print(`tick ${index}`);
    index += 1;
  }, everyMs);
  bot.ended.addEventListener('abort', () => clearInterval(timer), { once: true });
}
