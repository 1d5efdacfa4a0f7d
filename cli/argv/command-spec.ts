/** What the argv normaliser and the help pages know of a command, read from its class: one truth for all. */
import type { Definition, Usage } from './clipanion.ts';

export interface OptionSpec {
  /** All spellings, short ones first: ["-n", "--lines"]. */
  readonly names: readonly string[];
  readonly takesValue: boolean;
  readonly description: string;
}

export interface CommandSpec {
  /** One word, or two: "token add". */
  readonly name: string;
  /** Other names for it, which people type out of habit: "ls". */
  readonly aliases: readonly string[];
  readonly description: string;
  /** Paragraphs, with an empty line between them. */
  readonly details: string;
  /** Names of the required positionals, for example ["BOT"]. */
  readonly positionals: readonly string[];
  /** Whether the last positional may be given several times. */
  readonly takesRest: boolean;
  readonly options: readonly OptionSpec[];
  /** Pairs of explanation and command line. */
  readonly examples: readonly (readonly [string, string])[];
}

/**
 * Options and positionals come from clipanion's definition of the class, whose notation is: usage "bin stop <BOT> ...", option
 * "-n,--lines #0". Texts come from the class itself: in the definition they are broken at 80 columns.
 */
export function readCommandSpec(
  definition: Definition,
  {
    paths = [],
    usage = {},
    negatable = {},
  }: {
    readonly paths?: readonly (readonly string[])[];
    readonly usage?: Usage;
    /** Options that also have a form with "--no-": long name -> what that form does. */
    readonly negatable?: Readonly<Record<string, string>>;
  },
): CommandSpec {
  const [name = '', ...aliases] = paths.map((words) => words.join(' '));
  return {
    name,
    aliases,
    description: usage.description ?? '',
    details: usage.details ?? '',
    positionals: [...definition.usage.matchAll(/<([^<>]+)>/g)].map((match) => (match[1] ?? '').toUpperCase()),
    takesRest: definition.usage.endsWith(' ...'),
    options: definition.options.flatMap((option) => {
      const spec = {
        names: (option.definition.split(' ')[0] ?? '').split(','),
        takesValue: option.definition.includes('#'),
        description: option.description?.trim() ?? '',
      };
      const longName = longNameOf(spec);
      const opposite = negatable[longName];
      if (opposite === undefined) return [spec];
      return [spec, { names: [longName.replace(/^--/, '--no-')], takesValue: false, description: opposite }];
    }),
    examples: usage.examples ?? [],
  };
}

/** The first word of a two-word command; undefined for a one-word command. */
export const groupOf = ({ name }: CommandSpec): string | undefined => /^(\S+) /.exec(name)?.[1];

export const longNameOf = (option: OptionSpec): string => option.names.at(-1) ?? '';
