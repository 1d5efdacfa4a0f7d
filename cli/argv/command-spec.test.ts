import { expect, it } from 'vitest';
import { readCommandSpecs } from '../commands/catalogue.ts';
import { groupOf } from './command-spec.ts';

const commands = await readCommandSpecs();

it('reads commands, their positionals and their options from their classes', () => {
  expect(
    commands.map(({ name, positionals, takesRest }) => [name, ...positionals].join(' ') + (takesRest ? '...' : '')),
  ).toEqual([
    'start BOT',
    'update BOT',
    'env list BOT',
    'env set BOT NAME=VALUE...',
    'env unset BOT NAME...',
    'env import BOT FILE',
    'limits show BOT',
    'limits set BOT',
    'restart BOT...',
    'stop BOT...',
    'delete BOT...',
    'logs BOT',
    'events',
    'list',
    'usage',
    'status BOT',
    'job JOB',
    'cancel JOB',
    'doctor',
    'token add',
    'token list',
    'token revoke',
    'worker list',
    'worker cordon WORKER',
    'worker uncordon WORKER',
    'worker drain WORKER',
    'worker revoke WORKER',
    'worker readmit WORKER',
    'worker adopt WORKER [ID]...',
    'worker forget WORKER',
  ]);
  expect(commands.filter((command) => groupOf(command) === 'token')).toHaveLength(3);
  const lines = commands.find(({ name }) => name === 'logs')?.options.find(({ names }) => names.includes('-n'));
  expect(lines).toMatchObject({ names: ['-n', '--tail', '--lines'], takesValue: true });
});

it('finds every option of one spelling alike in all commands, so that it can be read before the command is known', () => {
  const takesValue = new Map<string, boolean>();
  for (const { names, takesValue: takes } of commands.flatMap(({ options }) => options)) {
    for (const name of names) {
      expect(takesValue.get(name) ?? takes, name).toBe(takes);
      takesValue.set(name, takes);
    }
  }
});
