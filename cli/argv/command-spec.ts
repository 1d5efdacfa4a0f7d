/** What the argv normaliser and the help pages know of a command, read from its clipanion definition: one truth for all. */
import type { Definition } from '../clipanion.ts';

export interface OptionSpec {
  /** All spellings, short ones first: ["-n", "--lines"]. */
  readonly names: readonly string[];
  readonly takesValue: boolean;
  readonly description: string;
}

export interface CommandSpec {
  /** One word, or two: "token add". */
  readonly name: string;
  readonly description: string;
  readonly details: string;
  /** Names of the required positionals, for example ["BOT"]. */
  readonly positionals: readonly string[];
  readonly options: readonly OptionSpec[];
  /** Pairs of explanation and command line. */
  readonly examples: readonly (readonly [string, string])[];
}

/** Reads clipanion's `cli.definitions()`. Its notation: usage "bin start <bot>", option "-n,--lines #0". */
export function readCommandSpecs(definitions: readonly Definition[]): readonly CommandSpec[] {
  return definitions.map((definition) => ({
    name: definition.path.split(' ').slice(1).join(' '),
    description: tidy(definition.description),
    details: tidy(definition.details),
    positionals: [...definition.usage.matchAll(/<([^<>]+)>/g)].map((match) => (match[1] ?? '').toUpperCase()),
    options: definition.options.map((option) => ({
      names: (option.definition.split(' ')[0] ?? '').split(','),
      takesValue: option.definition.includes('#'),
      description: tidy(option.description),
    })),
    examples: (definition.examples ?? []).map(([what, line]) => [tidy(what), line]),
  }));
}

/** clipanion wraps texts and leaves white space at the ends of lines. */
const tidy = (text: string | undefined): string => (text ?? '').replace(/[ \t]+$/gm, '').trim();

/** The first word of a command of two; undefined for a command of one. */
export const groupOf = ({ name }: CommandSpec): string | undefined => /^(\S+) /.exec(name)?.[1];

export const longNameOf = (option: OptionSpec): string => option.names.at(-1) ?? '';
