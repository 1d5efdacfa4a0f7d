/** The bot's environment from --env-file and -e together. */
import { resolve } from 'node:path';
import { refuse, unwrap } from '#common/problem.ts';
import { unwrapWords } from '../failures/errors.ts';
import { textFileMaxBytes } from '../text/file-limits.ts';
import { readTextFile } from '../text/read-text.ts';
import { parseEnvFile } from './env-file.ts';
import { type EnvPair, parseEnvVars } from './env-vars.ts';
import { splitRemovals } from './spec-words.ts';

export interface EnvOptions {
  readonly env: readonly string[];
  readonly envFile: readonly string[];
}

export const isEnvGiven = ({ env, envFile }: EnvOptions): boolean => env.length > 0 || envFile.length > 0;

export interface Environment {
  readonly values: Readonly<Record<string, string>>;
  /** Names that the bot must not have any more. */
  readonly removed: readonly string[];
}

/**
 * Names and values. Of two values for a name the last one wins, as in a shell, and -e wins over any file. Throws CliError or
 * ProblemError, neither with a value.
 */
export async function readEnvironment(
  { env, envFile }: EnvOptions,
  cwd: string,
  signal: AbortSignal,
): Promise<Environment> {
  const { given, removed } = splitRemovals(env);
  const words = unwrapWords(parseEnvVars(given));
  for (const name of removed) unwrapWords(parseEnvVars([`${name}=`]));
  const all = new Map<string, string>();
  const add = (pairs: readonly EnvPair[]): void => {
    for (const [name, value] of pairs) all.set(name, value);
  };
  for (const file of envFile) {
    add(unwrap(parseEnvFile(await readTextFile(resolve(cwd, file), file, textFileMaxBytes, signal), file)));
  }
  add(words);
  // As a key of the message it would be lost without a word.
  if (all.has('__proto__')) refuse('INVALID_ENV_VARS', 'A variable cannot be named __proto__.');
  return { values: Object.fromEntries(all), removed: removed.filter((name) => !all.has(name)) };
}
