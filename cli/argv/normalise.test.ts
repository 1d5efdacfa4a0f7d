import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { CliContext } from '../calls/context.ts';
import { loadCommand, readCommandSpecs } from '../commands/catalogue.ts';
import { bindWords } from '../commands/register.ts';
import { normaliseArgv } from './normalise.ts';

const commands = await readCommandSpecs();
const names = [...new Set(commands.map(({ name }) => name.split(' ')[0]))];
const allCommands = `The commands are ${names.join(', ')}. See: avtomatika-bot --help`;
const normalise = (argv: readonly string[]) => normaliseArgv(argv, commands);
const argvOf = (line: readonly string[]) => {
  const parsed = normalise(line);
  return parsed.kind === 'run' ? parsed.argv : parsed;
};

describe('argv', () => {
  it.each<[string[], string[]]>([
    [['list'], ['list', '--']],
    [
      ['logs', 'b', '-n50'],
      ['logs', '--lines=50', '--', 'b'],
    ],
    [
      ['logs', '-n', '50', 'b'],
      ['logs', '--lines=50', '--', 'b'],
    ],
    [
      ['logs', 'b', '-n=50', '-f'],
      ['logs', '--lines=50', '--follow', '--', 'b'],
    ],
    [
      ['logs', 'b', '-vfn50'],
      ['logs', '--verbose', '--follow', '--lines=50', '--', 'b'],
    ],
    [
      ['-v', '--url', 'http://x', 'list'],
      ['list', '--verbose', '--url=http://x', '--'],
    ],
    [
      ['-n', '5', 'logs', 'b'],
      ['logs', '--lines=5', '--', 'b'],
    ],
    [
      ['logs', 'b', '-n', '-5'],
      ['logs', '--lines=-5', '--', 'b'],
    ],
    [
      ['status', '--', '-odd'],
      ['status', '--', '-odd'],
    ],
    [
      ['start', 'b', '--simple', 'a.py', '-e', 'K=-1'],
      ['start', '--simple=a.py', '--env=K=-1', '--', 'b'],
    ],
    [
      ['start', 'b', '--simple', 'a.py', '-e', '-X=1'],
      ['start', '--simple=a.py', '--env=-X=1', '--', 'b'],
    ],
    [
      ['start', 'b', '--simple', 'a.py', '-e=K=V'],
      ['start', '--simple=a.py', '--env=K=V', '--', 'b'],
    ],
    [
      ['start', 'b', '--simple', 'a.py', '-eK=V'],
      ['start', '--simple=a.py', '--env=K=V', '--', 'b'],
    ],
    [
      ['start', 'b', '--simple', 'a.py', '--env=K='],
      ['start', '--simple=a.py', '--env=K=', '--', 'b'],
    ],
    [
      ['start', 'b', '--simple', 'a.py', 'b.py', 'd/'],
      ['start', '--simple=a.py', '--simple=b.py', '--simple=d/', '--', 'b'],
    ],
    [
      ['start', 'b', '--simple', 'a.py', '-v', 'b.py'],
      ['start', '--simple=a.py', '--verbose', '--simple=b.py', '--', 'b'],
    ],
    [
      ['start', 'b', '--simple', 'a.py', '--', '-b.py'],
      ['start', '--simple=a.py', '--simple=-b.py', '--', 'b'],
    ],
    [
      ['start', '--simple=a.py', 'b'],
      ['start', '--simple=a.py', '--', 'b'],
    ],
    [
      ['start', 'b', '--simple', '--inline', '--code', 'print(1)'],
      ['start', '--simple=', '--inline', '--code=print(1)', '--', 'b'],
    ],
    [
      ['start', 'b', '--simple', '--code=-x', '-r', 'a'],
      ['start', '--simple=', '--code=-x', '--requirements=a', '--', 'b'],
    ],
    [
      ['start', '-r', 'a>=1,<2', 'b', '--simple', '.'],
      ['start', '--requirements=a>=1,<2', '--simple=.', '--', 'b'],
    ],
    [
      ['--json', 'token', '-v', 'revoke', '--user=ann', '--name', 'laptop'],
      ['token', 'revoke', '--json', '--verbose', '--user=ann', '--name=laptop', '--'],
    ],
  ])('%j becomes %j', (line, expected) => {
    expect(argvOf(line)).toEqual(expected);
  });

  it.each<[string[], string, string]>([
    [[], 'No command was given.', allCommands],
    [['lst'], 'There is no command "lst".', 'Did you mean list?'],
    [['frobnicate'], 'There is no command "frobnicate".', allCommands],
    [['token'], 'token needs a second word.', 'Write one of: token add, token list, token revoke.'],
    [['token', 'lst'], 'There is no command "token lst".', 'Did you mean token list?'],
    [['tokn', 'list'], 'There is no command "tokn".', 'Did you mean token?'],
    [['token', 'frob'], 'There is no command "token frob".', 'Write one of: token add, token list, token revoke.'],
    [['list', '--jsn'], 'There is no option "--jsn".', 'Did you mean --json?'],
    [['list', '-x'], 'There is no option "-x".', 'See: avtomatika-bot --help'],
    [['list', '-n', '5'], 'list has no option --lines.', 'See: avtomatika-bot list --help'],
    [['list', '--json=1'], '--json takes no value.', 'Write --json alone.'],
    [['logs', 'b', '-n'], '-n needs a value.', 'Write -n VALUE, or -n=VALUE if it looks like an option.'],
    [
      ['start', 'b', '--git', '--branch=main'],
      '--git needs a value.',
      'Write --git VALUE, or --git=VALUE if it looks like an option.',
    ],
    [['start', 'b', '-r', '-e', 'K=V'], '-r needs a value.', 'Write -r VALUE, or -r=VALUE if it looks like an option.'],
    [['status'], 'status needs BOT.', 'Write: avtomatika-bot status BOT'],
    [['events', 'a'], 'events does not take "a".', 'Write: avtomatika-bot events --bot BOT'],
    [['status', 'a', 'b'], 'status does not take "b".', 'Write: avtomatika-bot status BOT'],
    [
      ['start', '--simple', 'a.py', 'b'],
      'start needs BOT.',
      'Write: avtomatika-bot start BOT --simple FILE... (--simple takes all that follows it)',
    ],
    [['start', 'b', '-e', 'A=1', 'B=secret'], 'start does not take "B=...".', 'Write: avtomatika-bot start BOT'],
    [
      ['start', 'b', '-e', 'BOT_TOKEN=', '123456:secret'],
      'start does not take "123456:...".',
      'Write: avtomatika-bot start BOT',
    ],
    [
      ['start', 'b', 'https://user:secret@host/x.git'],
      'start does not take "https:...".',
      'Write: avtomatika-bot start BOT',
    ],
    [
      ['start', 'b', '--image', 'x', '--registry-user', 'me', '--registry-pass-stdin', 'secret'],
      'start does not take one of these words.',
      'Write: avtomatika-bot start BOT',
    ],
    [['list', '--tokne=secret'], 'There is no option "--tokne".', 'Did you mean --token?'],
  ])('%j is a mistake that is reported with its cure', (line, message, hint) => {
    expect(normalise(line)).toEqual({ kind: 'usage', message, hint });
  });

  it('gives help and version even when the rest is wrong', () => {
    expect(normalise(['start', '--nonsense', '-h'])).toEqual({ kind: 'help', command: 'start' });
    expect(normalise(['--help'])).toEqual({ kind: 'help', command: undefined });
    expect(normalise(['token', 'list', '-h'])).toEqual({ kind: 'help', command: 'token list' });
    expect(normalise(['token', '-h'])).toEqual({ kind: 'help', command: 'token' });
    expect(normalise(['-v', '--version'])).toEqual({ kind: 'version' });
  });

  it.each<[string[], string | undefined]>([
    [['help'], undefined],
    [['help', 'start'], 'start'],
    [['help', 'token', 'add'], 'token add'],
    [['help', 'token'], 'token'],
    [['help', 'rm'], 'delete'],
    [['--url', 'http://x', 'help', 'logs'], 'logs'],
  ])('%j is help', (line, command) => {
    expect(normalise(line)).toEqual({ kind: 'help', command });
  });

  it('version is the version, and a bot may be called so', () => {
    expect(normalise(['version'])).toEqual({ kind: 'version' });
    expect(argvOf(['status', 'version'])).toEqual(['status', '--', 'version']);
    expect(argvOf(['stop', 'help'])).toEqual(['stop', '--', 'help']);
  });

  it.each([
    ['ls', 'list'],
    ['ps', 'list'],
    ['worker ls', 'worker list'],
    ['token ls', 'token list'],
  ])('%s is %s', (alias, name) => {
    expect(normalise(alias.split(' '))).toMatchObject({ kind: 'run', command: name });
  });

  it.each([
    [['help', 'strat'], 'There is no command "strat".', 'Did you mean start?'],
    [['run', 'b'], 'There is no command "run".', 'Did you mean start?'],
    [['kill', 'b'], 'There is no command "kill".', 'Did you mean stop?'],
    [['log', 'b'], 'There is no command "log".', 'Did you mean logs?'],
    [['constructor'], 'There is no command "constructor".', allCommands],
  ])('%j is a mistake with its cure', (line, message, hint) => {
    expect(normalise(line)).toEqual({ kind: 'usage', message, hint });
  });

  it('takes several bots where that makes sense', () => {
    expect(argvOf(['stop', 'a', '-v', 'b', 'c'])).toEqual(['stop', '--verbose', '--', 'a', 'b', 'c']);
    expect(normalise(['stop'])).toMatchObject({ kind: 'usage', message: 'stop needs BOT.' });
    expect(normalise(['status', 'a', 'b'])).toMatchObject({ kind: 'usage' });
  });

  it('takes --tail for -n', () => {
    expect(argvOf(['logs', 'b', '--tail', '5'])).toEqual(['logs', '--lines=5', '--', 'b']);
    expect(argvOf(['logs', 'b', '--tail=5', '-f'])).toEqual(['logs', '--lines=5', '--follow', '--', 'b']);
  });

  it('takes -v for verbose, not for the version', () => {
    expect(argvOf(['list', '-v'])).toEqual(['list', '--verbose', '--']);
  });

  it('never throws, and what it lets through can be bound', async () => {
    const words = [
      'start',
      'list',
      'logs',
      '-n',
      '-n5',
      '-e',
      'K=V',
      '--simple',
      '--',
      '-',
      '',
      '--json',
      '-vf',
      '=',
      '--url=',
      '\u0001',
      '-é',
    ];
    const context = { env: {} } as CliContext; // no more of it is read to bind values
    const classes = new Map(
      await Promise.all(commands.map(async ({ name }) => [name, await loadCommand(name)] as const)),
    );
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.constantFrom(...words), fc.string({ maxLength: 6 })), { maxLength: 8 }),
        (line) => {
          const parsed = normalise(line);
          if (parsed.kind !== 'run') return;
          const found = classes.get(parsed.command);
          expect(found && bindWords(found, parsed.argv, context)).toBeDefined();
        },
      ),
      { numRuns: 500 },
    );
  });

  it('binds a value to its option in every spelling', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), (value) => {
        const wanted = ['list', `--url=${value}`, '--'];
        expect(argvOf(['list', `--url=${value}`])).toEqual(wanted);
        expect(argvOf([`--url=${value}`, 'list'])).toEqual(wanted);
      }),
    );
  });
});
