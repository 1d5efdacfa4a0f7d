/**
 * One command in a Cli of its own. clipanion compiles the options of every registered command into a state machine; with
 * one of them it is small, and no other class is loaded.
 */
import { version } from '#common/version.ts';
import { Cli, type Command, type CommandClass } from '../argv/clipanion.ts';
import { type CommandSpec, readCommandSpec } from '../argv/command-spec.ts';
import { join, separate } from '../argv/joined.ts';
import type { CliContext } from '../calls/context.ts';

const register = (commandClass: CommandClass<CliContext>): Cli<CliContext> =>
  Cli.from<CliContext>([commandClass], { binaryName: 'avtomatika-bot', binaryVersion: version });

/** What the argv normaliser and the help pages know of a command. */
export function specOf(commandClass: CommandClass<CliContext>): CommandSpec {
  const [definition] = register(commandClass).definitions();
  if (definition === undefined) throw new Error(`${commandClass.name} has no usage`);
  return readCommandSpec(definition, commandClass);
}

/** The command, ready to be executed. `argv` is what normaliseArgv() made of a command line for it. */
export function bindWords(
  commandClass: CommandClass<CliContext>,
  argv: readonly string[],
  context: CliContext,
): Command<CliContext> {
  // clipanion copies what it is given, which would open stdin: it gets an object without own properties.
  const inherited: CliContext = Object.create(context);
  const command = register(commandClass).process(join(argv), inherited);
  for (const [field, value] of Object.entries(command)) Object.assign(command, { [field]: separate(value) });
  command.context = context;
  return command;
}
