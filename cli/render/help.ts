/** The help pages, from the definitions of the commands. Pure. */
import type { CommandSpec, OptionSpec } from '../argv/command-spec.ts';
import { renderFacts } from './table.ts';

/** What stands for the value of an option. */
const valueNames: Readonly<Record<string, string>> = {
  '--simple': 'FILE...|DIR',
  '--entrypoint': 'FILE',
  '--requirements': 'FILE|LIST',
  '--env': 'NAME=VALUE',
  '--code': 'TEXT',
  '--runtime': 'NAME',
  '--custom': 'PATH|URL',
  '--git': 'URL',
  '--branch': 'NAME',
  '--subdir': 'DIR',
  '--image': 'REF',
  '--registry-user': 'USER',
  '--registry-pass': 'PASSWORD',
  '--env-file': 'FILE',
  '--memory': 'SIZE',
  '--cpus': 'N',
  '--lines': 'N',
  '--url': 'URL',
  '--token': 'TOKEN',
};

/** "-n, --lines N". */
export function optionUsage(option: OptionSpec): string {
  const value = option.takesValue ? ` ${valueNames[option.names.at(-1) ?? ''] ?? 'VALUE'}` : '';
  return `${option.names.join(', ')}${value}`;
}

const isGlobal = (name: string, commands: readonly CommandSpec[]): boolean =>
  commands.every(({ options }) => options.some(({ names }) => names.includes(name)));

const optionLines = (options: readonly OptionSpec[]): string =>
  renderFacts(options.map((option) => [optionUsage(option), option.description]));

/** One command's page, without the last line end. */
export function renderCommandHelp(command: CommandSpec, commands: readonly CommandSpec[]): string {
  const own = command.options.filter(({ names }) => !isGlobal(names[0] ?? '', commands));
  const usage = ['avtomatika-bot', command.name, ...command.positionals, '[options]'].join(' ');
  return [
    `${command.description}\n`,
    `Usage: ${usage}`,
    ...(command.details === '' ? [] : [`\n${command.details}`]),
    ...(own.length === 0 ? [] : [`\nOptions:\n${optionLines(own)}`]),
    `\n${globalOptions(commands)}`,
    `\nExamples:\n${command.examples.map(([what, line]) => `  # ${what}\n  ${line}`).join('\n')}`,
  ].join('\n');
}

/** The page of `avtomatika-bot --help`, without the last line end. */
export function renderGeneralHelp(commands: readonly CommandSpec[], version: string): string {
  return [
    `avtomatika-bot ${version} runs long-lived bots on a Bot Runner orchestrator.\n`,
    'Usage: avtomatika-bot COMMAND [options]\n',
    `Commands:\n${renderFacts(commands.map((command) => [[command.name, ...command.positionals].join(' '), command.description]))}\n`,
    globalOptions(commands, [{ names: ['--version'], takesValue: false, description: 'Print the version.' }]),
    '\nSee also: avtomatika-bot COMMAND --help',
  ].join('\n');
}

function globalOptions(commands: readonly CommandSpec[], more: readonly OptionSpec[] = []): string {
  const options = (commands[0]?.options ?? []).filter(({ names }) => isGlobal(names[0] ?? '', commands));
  const help: OptionSpec = { names: ['-h', '--help'], takesValue: false, description: 'Print help.' };
  return `Global options, before or after the command:\n${optionLines([...options, help, ...more])}`;
}
