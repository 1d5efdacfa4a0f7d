/** What the argv normaliser and the help pages know of a command, read from its class: one truth for all. */

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

/** The first word of a command of two; undefined for a command of one. */
export const groupOf = ({ name }: CommandSpec): string | undefined => /^(\S+) /.exec(name)?.[1];

export const longNameOf = (option: OptionSpec): string => option.names.at(-1) ?? '';
