/**
 * Makes one plain form of every way to write a command line, so that all that is left is to bind values to fields.
 *
 * 1. Options may stand before or after the command. Short ones may be bundled (`-vf`) and carry their value (`-n50`).
 * 2. `-e=K=V`, `-eK=V`, `-e K=V`, `--env K=V` and `--env=K=V` mean the same.
 * 3. A value may begin with "-" unless it is exactly an option of some command, with or without "=VALUE": in `-r -e K=V`
 *    the value of -r was forgotten.
 * 4. After the command, `--simple` takes all following positionals; `--simple=FILE` takes only that one. It may stand
 *    before another option without a file, as in `--simple --inline --code TEXT`: then its value is empty.
 * 5. After `--` everything is a positional.
 * 6. A command may have two words (`token add`); both stand before its positionals. It may have other names (`ls`).
 * 7. `help`, `help COMMAND` and `version` are what --help and --version are.
 */
import { closest } from './closest.ts';
import { type CommandSpec, groupOf, longNameOf, type OptionSpec } from './command-spec.ts';

/** What a command line asks for. `argv` is for bindWords(): command, options as `--name=value`, `--`, positionals. */
export type ParsedArgv =
  | { readonly kind: 'run'; readonly command: string; readonly argv: readonly string[] }
  | { readonly kind: 'help'; readonly command: string | undefined }
  | { readonly kind: 'version' }
  | UsageMistake;

export interface UsageMistake {
  readonly kind: 'usage';
  /** What is wrong, one sentence. Never holds the value of an option: it may be a secret. */
  readonly message: string;
  /** What to do about it, one sentence. */
  readonly hint: string;
}

/** The option that takes several words. */
const greedyName = '--simple';

interface Given {
  readonly name: string;
  readonly value: string | undefined;
}

interface Words {
  command: string | undefined;
  readonly options: Given[];
  readonly positionals: string[];
}

class Mistake extends Error {
  readonly hint: string;
  constructor(message: string, hint: string) {
    super(message);
    this.hint = hint;
  }
}

/** Never throws; reads nothing but its arguments. */
export function normaliseArgv(argv: readonly string[], commands: readonly CommandSpec[]): ParsedArgv {
  try {
    const asked = askedFor(argv, commands);
    if (asked) return asked;
    const words = readWords(argv, commands);
    return arrange(words, commands);
  } catch (error) {
    if (error instanceof Mistake) return { kind: 'usage', message: error.message, hint: error.hint };
    throw error;
  }
}

/** Help and version win over every mistake: people who ask for help have often just made one. */
function askedFor(argv: readonly string[], commands: readonly CommandSpec[]): ParsedArgv | undefined {
  const end = argv.indexOf('--');
  const words = end < 0 ? argv : argv.slice(0, end);
  if (words.includes('--help') || words.includes('-h')) return { kind: 'help', command: commandIn(words, commands) };
  return words.includes('--version') ? { kind: 'version' } : undefined;
}

function helpFor(words: readonly string[], commands: readonly CommandSpec[]): ParsedArgv {
  const command = commandIn(words, commands);
  if (words.length === 0 || command !== undefined) return { kind: 'help', command };
  throw noCommand(words.join(' '), commands);
}

/** The name of the first command, or group of commands, among the words. */
function commandIn(words: readonly string[], commands: readonly CommandSpec[]): string | undefined {
  const groups = commands.map(groupOf);
  const plain = words.filter((word) => !word.startsWith('-'));
  for (const [at, word] of plain.entries()) {
    const both = `${word} ${plain[at + 1]}`;
    const found = commandNamed(both, commands) ?? commandNamed(word, commands);
    if (found !== undefined) return found.name;
    if (groups.includes(word)) return word;
  }
  return undefined;
}

function readWords(argv: readonly string[], commands: readonly CommandSpec[]): Words {
  const known = optionsByName(commands);
  const groups = commands.map(groupOf);
  const words: Words = { command: undefined, options: [], positionals: [] };
  const rest = [...argv];
  let optionsOver = false;
  let greedy = false;
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    if (!optionsOver && word === '--') optionsOver = true;
    else if (optionsOver || word === '-' || !word.startsWith('-')) {
      if (words.command === undefined) words.command = word;
      else if (groups.includes(words.command)) words.command += ` ${word}`;
      else if (greedy) words.options.push({ name: greedyName, value: word });
      else words.positionals.push(word);
    } else {
      const given = word.startsWith('--') ? [readLong(word, rest, known)] : readShort(word, rest, known);
      words.options.push(...given);
      greedy ||= words.command !== undefined && word === greedyName;
    }
  }
  return words;
}

function readLong(word: string, rest: string[], known: ReadonlyMap<string, OptionSpec>): Given {
  const split = word.indexOf('=');
  const name = split < 0 ? word : word.slice(0, split);
  const option = findOption(name, known);
  if (!option.takesValue) {
    if (split >= 0) throw new Mistake(`${name} takes no value.`, `Write ${name} alone.`);
    return { name: longNameOf(option), value: undefined };
  }
  const value = split < 0 ? takeValue(name, rest, known) : word.slice(split + 1);
  return { name: longNameOf(option), value };
}

/** A cluster of short options: "-v", "-vf", "-n50", "-fn=50". */
function readShort(word: string, rest: string[], known: ReadonlyMap<string, OptionSpec>): Given[] {
  const given: Given[] = [];
  for (let index = 1; index < word.length; index++) {
    const name = `-${word[index]}`;
    const option = findOption(name, known);
    if (!option.takesValue) {
      given.push({ name: longNameOf(option), value: undefined });
      continue;
    }
    const attached = word.slice(index + 1);
    const value = attached === '' ? takeValue(name, rest, known) : attached.replace(/^=/, '');
    given.push({ name: longNameOf(option), value });
    break;
  }
  return given;
}

function takeValue(name: string, rest: string[], known: ReadonlyMap<string, OptionSpec>): string {
  const next = rest[0];
  if (next === undefined || next === '--' || isOption(next, known)) {
    if (name === greedyName) return '';
    throw new Mistake(`${name} needs a value.`, `Write ${name} VALUE, or ${name}=VALUE if it looks like an option.`);
  }
  rest.shift();
  return next;
}

/** Whether a word is exactly an option of some command, with its value or without. */
const isOption = (word: string, known: ReadonlyMap<string, OptionSpec>): boolean =>
  known.has(word) || (word.startsWith('--') && known.has(word.replace(/=.*$/s, '')));

function findOption(name: string, known: ReadonlyMap<string, OptionSpec>): OptionSpec {
  const option = known.get(name);
  if (option) return option;
  const near = name.startsWith('--') ? closest(name, [...known.keys()]) : undefined;
  const help = 'See: avtomatika-bot --help';
  throw new Mistake(`There is no option ${shown(name)}.`, near === undefined ? help : `Did you mean ${near}?`);
}

/** Command first, options bound to their values, then `--` and the positionals. */
function arrange(words: Words, commands: readonly CommandSpec[]): ParsedArgv {
  if (words.command === undefined) throw new Mistake('No command was given.', listOf(commands));
  if (words.command === 'help') return helpFor(words.positionals, commands);
  if (words.command === 'version') return { kind: 'version' };
  const command = commandNamed(words.command, commands);
  if (command === undefined) throw noCommand(words.command, commands);
  checkOptions(words, command);
  checkPositionals(words, command);
  const options = words.options.map(({ name, value }) => (value === undefined ? name : `${name}=${value}`));
  const argv = [...command.name.split(' '), ...options, '--', ...words.positionals];
  return { kind: 'run', command: command.name, argv };
}

const commandNamed = (word: string, commands: readonly CommandSpec[]): CommandSpec | undefined =>
  commands.find(({ name, aliases }) => name === word || aliases.includes(word));

const namesOf = (commands: readonly CommandSpec[]): readonly string[] => [
  ...new Set(commands.map((command) => groupOf(command) ?? command.name)),
];

const listOf = (commands: readonly CommandSpec[]): string =>
  `The commands are ${namesOf(commands).join(', ')}. See: avtomatika-bot --help`;

/** What other programs call the same thing. */
const synonyms: Readonly<Record<string, string>> = {
  create: 'start',
  deploy: 'start',
  down: 'stop',
  info: 'status',
  inspect: 'status',
  kill: 'stop',
  run: 'start',
  show: 'status',
  tail: 'logs',
  up: 'start',
};

function noCommand(word: string, commands: readonly CommandSpec[]): Mistake {
  const [group = ''] = word.split(' ');
  const ofGroup = commands.filter((command) => groupOf(command) === group).map(({ name }) => name);
  const oneOf = `Write one of: ${ofGroup.join(', ')}.`;
  if (word === group && ofGroup.length > 0) return new Mistake(`${group} needs a second word.`, oneOf);
  const synonym = Object.hasOwn(synonyms, word) ? synonyms[word] : undefined;
  const near = synonym ?? closest(word, ofGroup.length > 0 ? ofGroup : namesOf(commands));
  const all = ofGroup.length > 0 ? oneOf : listOf(commands);
  return new Mistake(`There is no command ${shown(word)}.`, near === undefined ? all : `Did you mean ${near}?`);
}

function checkOptions(words: Words, command: CommandSpec): void {
  const own = new Set(command.options.flatMap(({ names }) => names));
  const foreign = words.options.find(({ name }) => !own.has(name));
  if (foreign !== undefined) {
    throw new Mistake(`${command.name} has no option ${foreign.name}.`, `See: avtomatika-bot ${command.name} --help`);
  }
}

function checkPositionals(words: Words, command: CommandSpec): void {
  const { positionals } = words;
  const missing = command.positionals[positionals.length];
  const usage = `avtomatika-bot ${[command.name, ...command.positionals].join(' ')}${command.takesRest ? '...' : ''}`;
  if (missing !== undefined) {
    const swallowed = words.options.some(({ name }) => name === greedyName);
    const hint = swallowed ? `${usage} ${greedyName} FILE... (${greedyName} takes all that follows it)` : usage;
    throw new Mistake(`${command.name} needs ${missing}.`, `Write: ${hint}`);
  }
  const extra = positionals[command.positionals.length];
  if (extra !== undefined && !command.takesRest) {
    // Next to options of a password a word that is left over may be the password.
    const isRisky = words.options.some(({ name }) => name.startsWith('--registry-'));
    const what = isRisky ? 'one of these words' : shown(extra);
    const byOption = command.options.some(({ names }) => names.includes('--bot')) ? ' --bot BOT' : '';
    throw new Mistake(`${command.name} does not take ${what}.`, `Write: ${usage}${byOption}`);
  }
}

function optionsByName(commands: readonly CommandSpec[]): ReadonlyMap<string, OptionSpec> {
  const known = new Map<string, OptionSpec>();
  for (const command of commands) {
    for (const option of command.options) {
      for (const name of option.names) known.set(name, option);
    }
  }
  return known;
}

/** A word for a message. What follows "=" or ":" is left out: `-e A=1 B=secret` and `-e TOKEN= 123:ABC` are likely slips. */
function shown(word: string): string {
  const name = word.replace(/(?<=[=:]).*$/s, '...');
  return JSON.stringify(name.length > 40 ? `${name.slice(0, 40)}...` : name);
}
