/**
 * Commands as classes: their options are typed fields, `execute()` returns the exit code. A field holds the declaration of
 * its option until bindWords() puts the value in its place. Words come here in the plain form of argv/normalise.ts, so
 * that there is nothing left to parse.
 */
import type { Readable, Writable } from 'node:stream';
import type { CommandSpec, OptionSpec } from './argv/command-spec.ts';

/** The part of the outside world that every command has. */
export interface BaseContext {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdin: Readable;
  readonly stdout: Writable;
  readonly stderr: Writable;
}

export interface Usage {
  /** One sentence. */
  readonly description: string;
  /** Paragraphs, with an empty line between them. */
  readonly details?: string;
  /** Pairs of explanation and command line. */
  readonly examples?: readonly (readonly [string, string])[];
}

export abstract class Command<Context extends BaseContext> {
  /** The names of the command, each of one word or two; the first is the one that help shows. */
  static readonly paths: readonly (readonly string[])[] = [];
  static readonly usage: Usage = { description: '' };
  static readonly Usage = (usage: Usage): Usage => usage;

  context!: Context;
  abstract execute(): Promise<number>;
}

export interface CommandClass<Context extends BaseContext> {
  readonly paths: readonly (readonly string[])[];
  readonly usage: Usage;
  new (): Command<Context>;
}

type Kind = 'positional' | 'rest' | 'string' | 'array' | 'boolean';

class Declaration {
  readonly kind: Kind;
  readonly names: readonly string[];
  readonly description: string;
  readonly missing: unknown;
  constructor(kind: Kind, names: string, missing: unknown, description: string) {
    this.kind = kind;
    this.names = names.split(',');
    this.missing = missing;
    this.description = description;
  }
}

interface Described {
  readonly description?: string;
}

// The field has this type from bindWords() on, and nobody reads it before: hence the casts, here and nowhere else.
const declare = <T>(kind: Kind, names: string, missing: T, { description = '' }: Described): T =>
  new Declaration(kind, names, missing, description) as T;

/** A word that must be there; named after its field. */
function stringOption(): string;
/** `--name VALUE`, the last one wins; names with a comma between them, short ones first. */
function stringOption(names: string, described: Described): string | undefined;
function stringOption(names: string, missing: string, described: Described): string;
function stringOption(names?: string, ...rest: [Described] | [string, Described] | []): string | undefined {
  if (names === undefined) return declare('positional', '', '', {});
  const [missing, described] = rest.length === 2 ? rest : [undefined, rest[0] ?? {}];
  return declare<string | undefined>('string', names, missing, described);
}

/** `--name VALUE`, repeatable. */
function arrayOption(names: string, described: Described): string[] | undefined;
function arrayOption(names: string, missing: string[], described: Described): string[];
function arrayOption(names: string, ...rest: [Described] | [string[], Described]): string[] | undefined {
  const [missing, described] = rest.length === 2 ? rest : [undefined, rest[0]];
  return declare<string[] | undefined>('array', names, missing, described);
}

export const Option = {
  String: stringOption,
  Array: arrayOption,
  /** `--name`, without a value. */
  Boolean: (names: string, missing: boolean, described: Described): boolean =>
    declare('boolean', names, missing, described),
  /** One word or more, up to the end. `label` stands for each of them in the help. */
  Rest: (label: string): string[] => declare<string[]>('rest', label, [], {}),
};

type Fields = Record<string, unknown>;

const declarationsOf = (fields: Fields): [string, Declaration][] =>
  Object.entries(fields).filter((entry): entry is [string, Declaration] => entry[1] instanceof Declaration);

/** What the argv normaliser and the help pages know of a command. */
export function specOf<Context extends BaseContext>(commandClass: CommandClass<Context>): CommandSpec {
  const { paths, usage } = commandClass;
  const [name = '', ...aliases] = paths.map((words) => words.join(' '));
  const declarations = declarationsOf({ ...new commandClass() });
  const words = declarations.filter(([, { kind }]) => kind === 'positional' || kind === 'rest');
  const options = declarations.filter(([, { kind }]) => kind !== 'positional' && kind !== 'rest');
  return {
    name,
    aliases,
    description: usage.description,
    details: usage.details ?? '',
    positionals: words.map(([field, { kind, names }]) => (kind === 'rest' ? (names[0] ?? '') : field.toUpperCase())),
    takesRest: words.some(([, { kind }]) => kind === 'rest'),
    options: options.map(
      ([, { names, kind, description }]): OptionSpec => ({ names, takesValue: kind !== 'boolean', description }),
    ),
    examples: usage.examples ?? [],
  };
}

/** The command, ready to be executed. `argv` is what normaliseArgv() made of a command line for it. */
export function bindWords<Context extends BaseContext>(
  commandClass: CommandClass<Context>,
  argv: readonly string[],
  context: Context,
): Command<Context> {
  const command = new commandClass();
  const end = argv.indexOf('--');
  const given = argv.slice(0, end).map(splitOption);
  const positionals = argv.slice(end + 1);
  // The fields of a class are plain properties; only those that hold a declaration are set.
  const fields = command as unknown as Fields;
  for (const [field, declaration] of declarationsOf(fields)) {
    const values = given.flatMap(([name, value]) => (declaration.names.includes(name) ? [value] : []));
    fields[field] = valueFor(declaration, values, positionals);
  }
  command.context = context;
  return command;
}

const splitOption = (word: string): readonly [string, string] => {
  const split = word.indexOf('=');
  return split < 0 ? [word, ''] : [word.slice(0, split), word.slice(split + 1)];
};

/** Takes what it needs from `positionals`. */
function valueFor({ kind, missing }: Declaration, values: readonly string[], positionals: string[]): unknown {
  switch (kind) {
    case 'positional':
      return positionals.shift() ?? missing;
    case 'rest':
      return positionals.splice(0);
    case 'boolean':
      return values.length > 0 || missing;
    case 'string':
      return values.at(-1) ?? missing;
    case 'array':
      return values.length > 0 ? values : missing;
  }
}
