/** The help pages, from the definitions of the commands. Pure. */
import { type CommandSpec, groupOf, type OptionSpec } from '../argv/command-spec.ts';
import { displayWidth } from './table.ts';
import { helpColumns, wrapCommand, wrapParagraphs, wrapText } from './wrap.ts';

/** The placeholder for an option's value. */
const valueNames: Readonly<Record<string, string>> = {
  '--simple': 'FILE...|DIR',
  '--entrypoint': 'FILE',
  '--requirements': 'FILE|LIST',
  '--command': 'COMMAND',
  '--env': 'NAME=VALUE',
  '--code': 'TEXT',
  '--runtime': 'NAME',
  '--include': 'PATH',
  '--custom': 'PATH|URL',
  '--git': 'URL',
  '--branch': 'NAME',
  '--subdir': 'DIR',
  '--build-arg': 'NAME=VALUE',
  '--target': 'STAGE',
  '--dockerfile': 'PATH',
  '--image': 'REF',
  '--registry-user': 'USER',
  '--registry-pass': 'PASSWORD',
  '--env-file': 'FILE',
  '--memory': 'SIZE',
  '--on': 'KEY=VALUE',
  '--cpus': 'N',
  '--pids': 'N',
  '--stop-grace': 'TIME',
  '--stop-signal': 'SIGNAL',
  '--disk': 'SIZE',
  '--lines': 'N',
  '--since': 'TIME',
  '--timeout': 'TIME',
  '--until': 'TIME',
  '--grep': 'TEXT',
  '--cursor': 'CURSOR',
  '--bot': 'BOT',
  '--url': 'URL',
  '--token': 'TOKEN',
  '--user': 'USER',
  '--name': 'NAME',
  '--scope': 'SCOPE',
};

/** "-n, --lines N". */
export function optionUsage(option: OptionSpec): string {
  const value = option.takesValue ? ` ${valueNames[option.names.at(-1) ?? ''] ?? 'VALUE'}` : '';
  return `${option.names.join(', ')}${value}`;
}

const isGlobal = (name: string, commands: readonly CommandSpec[]): boolean =>
  commands.every(({ options }) => options.some(({ names }) => names.includes(name)));

const optionLines = (options: readonly OptionSpec[]): string =>
  renderTerms(options.map((option) => [optionUsage(option), option.description]));

/** A name that is wider than this stands on a line of its own, so that it does not push all texts to the right. */
const termColumnsMax = 24;

/** "  NAME  text" lines; a text that does not fit continues below itself. */
function renderTerms(terms: readonly (readonly [string, string])[]): string {
  const widths = terms.map(([name]) => displayWidth(name)).filter((width) => width <= termColumnsMax);
  const indent = Math.max(0, ...widths) + 4;
  const lines = terms.flatMap(([name, text]) => {
    const [first = '', ...more] = wrapText(text, helpColumns - indent);
    const begin = `  ${name}`;
    const below = more.map((line) => `${' '.repeat(indent)}${line}`);
    return begin.length + 2 <= indent
      ? [`${begin.padEnd(indent)}${first}`, ...below]
      : [begin, `${' '.repeat(indent)}${first}`, ...below];
  });
  return lines.map((line) => line.trimEnd()).join('\n');
}

/** The page of a command, of a group of commands, or the general one, without the last line end. */
export function renderHelp(asked: string | undefined, commands: readonly CommandSpec[], version: string): string {
  const command = commands.find(({ name }) => name === asked);
  if (command !== undefined) return renderCommandHelp(command, commands);
  const group = commands.filter((candidate) => asked !== undefined && groupOf(candidate) === asked);
  return group.length === 0 ? renderGeneralHelp(commands, version) : renderGroupHelp(group);
}

const renderGroupHelp = (group: readonly CommandSpec[]): string =>
  `Commands:\n${commandLines(group)}\n\nSee also: avtomatika-bot COMMAND --help`;

const commandLines = (commands: readonly CommandSpec[]): string =>
  renderTerms(commands.map((command) => [wordsOf(command), command.description]));

/** "stop BOT...". */
const wordsOf = (command: CommandSpec): string =>
  `${[command.name, ...command.positionals].join(' ')}${command.takesRest ? '...' : ''}`;

/** One command's page, without the last line end. */
export const renderCommandHelp = (command: CommandSpec, commands: readonly CommandSpec[]): string =>
  commandPage(command, [ownOptions(command, commands), globalOptions(commands)]);

/**
 * The same for a page that has all commands below each other: the global options are left out, and options that an earlier
 * command has in full are those of that one.
 */
export function renderCommandReference(command: CommandSpec, commands: readonly CommandSpec[]): string {
  const own = ownOptions(command, commands);
  const first = commands.find((candidate) => ownOptions(candidate, commands) === own);
  return commandPage(command, [first === command || isShort(own) ? own : `Options: those of ${first?.name}.`]);
}

/** Not worth a look at another command. */
const isShort = (options: string): boolean => options.split('\n').length < 10;

/** Empty for a command that has none. */
function ownOptions(command: CommandSpec, commands: readonly CommandSpec[]): string {
  const own = command.options.filter(({ names }) => !isGlobal(names[0] ?? '', commands));
  return own.length === 0 ? '' : `Options:\n${optionLines(own)}`;
}

function commandPage(command: CommandSpec, options: readonly string[]): string {
  const usage = `avtomatika-bot ${wordsOf(command)} [options]`;
  const examples = command.examples.flatMap(([what, line]) => [
    ...wrapText(what, helpColumns - 4).map((part) => `# ${part}`),
    ...wrapCommand(line, helpColumns - 2),
  ]);
  return [
    `${wrapText(command.description, helpColumns).join('\n')}\n`,
    `Usage: ${usage}`,
    ...(command.aliases.length === 0
      ? []
      : [`Also:  ${command.aliases.map((name) => `avtomatika-bot ${name}`).join(', ')}`]),
    ...(command.details === '' ? [] : [`\n${wrapParagraphs(command.details, helpColumns)}`]),
    ...options.filter((part) => part !== '').map((part) => `\n${part}`),
    `\nExamples:\n${examples.map((line) => `  ${line}`).join('\n')}`,
  ].join('\n');
}

/** The page of `avtomatika-bot --help`, without the last line end. */
export function renderGeneralHelp(commands: readonly CommandSpec[], version: string): string {
  return [
    `avtomatika-bot ${version} runs long-lived bots on a Bot Runner orchestrator.\n`,
    'Usage: avtomatika-bot COMMAND [options]\n',
    `Commands:\n${commandLines(commands)}\n`,
    globalOptions(commands, [{ names: ['--version'], takesValue: false, description: 'Print the version.' }]),
    '\nSee also: avtomatika-bot COMMAND --help',
  ].join('\n');
}

function globalOptions(commands: readonly CommandSpec[], more: readonly OptionSpec[] = []): string {
  const options = (commands[0]?.options ?? []).filter(({ names }) => isGlobal(names[0] ?? '', commands));
  const help: OptionSpec = { names: ['-h', '--help'], takesValue: false, description: 'Print help.' };
  return `Global options, before or after the command:\n${optionLines([...options, help, ...more])}`;
}
