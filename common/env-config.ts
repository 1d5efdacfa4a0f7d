/**
 * Reads a program's settings from environment variables, once, at start-up. Every variable is declared in one place with
 * its meaning and default; the tables in the docs are written from the declarations. All mistakes are reported together.
 */
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseByteSize } from './byte-size.ts';
import { Secret } from './secret.ts';

/** One environment variable. `T` is what the program gets. */
export interface Variable<T> {
  readonly name: string;
  /** Other names that mean the same; the first that is set wins, `name` first. */
  readonly aliases?: readonly string[];
  /** One line for the docs: meaning and unit. */
  readonly doc: string;
  /** The default as people read it in the docs. */
  readonly shownDefault: string;
  /** Undefined when the variable is not set or empty. Throws BadValue with one sentence for a value that is wrong. */
  readonly parse: (text: string | undefined) => T;
}

export type VariableSet = Readonly<Record<string, Variable<unknown>>>;
export type ConfigOf<S extends VariableSet> = { readonly [K in keyof S]: S[K] extends Variable<infer T> ? T : never };

/** What is wrong with one value, as a sentence that follows the variable's name: "is not a port (1 to 65535)". */
export class BadValue extends Error {}

/** All mistakes of a start-up. `message` is ready to be shown: one line each. */
export class ConfigError extends Error {
  readonly mistakes: readonly string[];
  constructor(mistakes: readonly string[]) {
    super(mistakes.join('\n'));
    this.mistakes = mistakes;
    this.name = 'ConfigError';
  }
}

/** Reads every variable of the set; throws one ConfigError that names all mistakes. Never prints a value. */
export function readConfig<const S extends VariableSet>(variables: S, env: NodeJS.ProcessEnv): ConfigOf<S> {
  const mistakes: string[] = [];
  const values: Record<string, unknown> = {};
  for (const [key, variable] of Object.entries(variables)) {
    const name = [variable.name, ...(variable.aliases ?? [])].find((candidate) => env[candidate]) ?? variable.name;
    try {
      values[key] = variable.parse(env[name] || undefined);
    } catch (error) {
      if (!(error instanceof BadValue)) throw error;
      mistakes.push(`${name} ${error.message}`);
    }
  }
  if (mistakes.length > 0) throw new ConfigError(mistakes);
  // Every key of the set was filled by its own parse; TypeScript cannot follow that through Object.entries.
  return values as ConfigOf<S>;
}

type Declared = { name: string; aliases?: readonly string[]; doc: string; shownDefault?: string };

/** Text, or the default; `undefined` when there is none. */
export function plainText<D extends string | undefined>(declared: Declared, fallback: D): Variable<string | D> {
  return {
    ...declared,
    shownDefault: declared.shownDefault ?? fallback ?? 'none',
    parse: (value) => value ?? fallback,
  };
}

/**
 * The path of a file or folder, absolute from here on: what is given a path may run in another folder than this program.
 * A relative one counts from the folder that the program was started in. `~` is the home folder as in a shell, because
 * where no shell reads the value (.env files, service managers) it would otherwise become a folder of that name.
 */
export function path<D extends string | undefined>(declared: Declared, fallback: D): Variable<string | D> {
  return {
    ...declared,
    shownDefault: declared.shownDefault ?? fallback ?? 'none',
    // Only an absent value with an absent default stays undefined.
    parse: (value) => (value === undefined && fallback === undefined ? fallback : absolutePath(value ?? `${fallback}`)),
  };
}

/** Throws BadValue for another user's home folder. */
export function absolutePath(text: string): string {
  const home = /^~([^/]*)(?:\/|$)/.exec(text);
  if (home === null) return resolve(text);
  if (home[1] !== '') throw new BadValue('must not begin with "~" and a name: write out the folder');
  return join(homedir(), text.slice(1));
}

/** A whole number within bounds. */
export function integer(declared: Declared & { min: number; max: number }, fallback: number): Variable<number> {
  const { min, max, ...rest } = declared;
  return {
    ...rest,
    shownDefault: declared.shownDefault ?? String(fallback),
    parse(value) {
      if (value === undefined) return fallback;
      const number = /^-?\d{1,15}$/.test(value) ? Number(value) : Number.NaN;
      if (!(number >= min && number <= max)) throw new BadValue(`must be a whole number from ${min} to ${max}`);
      return number;
    },
  };
}

/** An amount of memory or disk in bytes, within bounds; bounds and default as people write them: "16m". */
export function byteSize(declared: Declared & { min: string; max: string }, fallback: string): Variable<number> {
  const { min, max, ...rest } = declared;
  const bytesOf = (text: string) => parseByteSize(text)?.bytes ?? Number.NaN;
  return {
    ...rest,
    shownDefault: declared.shownDefault ?? fallback,
    parse(value) {
      const bytes = bytesOf(value ?? fallback);
      if (bytes >= bytesOf(min) && bytes <= bytesOf(max)) return bytes;
      throw new BadValue(`must be a number with k, m or g, from ${min} to ${max}, for example ${fallback}`);
    },
  };
}

/** A token or password. */
export function secretText(declared: Declared): Variable<Secret | undefined> {
  return {
    ...declared,
    shownDefault: declared.shownDefault ?? 'none',
    parse(value) {
      if (value === undefined) return undefined;
      if (/^[\x21-\x7e]{8,512}$/.test(value)) return new Secret(value);
      throw new BadValue('must be 8 to 512 printable characters without spaces');
    },
  };
}

/** One of a closed set of words. */
export function choice<const W extends readonly string[]>(
  declared: Declared,
  words: W,
  fallback: W[number],
): Variable<W[number]> {
  return {
    ...declared,
    shownDefault: declared.shownDefault ?? fallback,
    parse(value) {
      if (value === undefined) return fallback;
      if (!words.includes(value)) throw new BadValue(`must be one of ${words.join(', ')}`);
      return value;
    },
  };
}

/** On for 1, true, yes; off for 0, false, no. */
export function flag(declared: Declared): Variable<boolean> {
  return {
    ...declared,
    shownDefault: declared.shownDefault ?? '0',
    parse(value) {
      if (value === undefined || /^(0|false|no)$/i.test(value)) return false;
      if (/^(1|true|yes)$/i.test(value)) return true;
      throw new BadValue('must be 1 or 0');
    },
  };
}

/** Any other shape, by its own parse function. */
export function custom<T>(
  declared: Declared & { shownDefault: string },
  parse: (value: string | undefined) => T,
): Variable<T> {
  return { ...declared, parse };
}
