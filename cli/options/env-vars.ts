/** The bot's environment from repeated `-e NAME=VALUE`. Pure. Messages never hold a value, nor a text that may be one. */
import { fail, ok, problem, type Result } from '#common/problem.ts';

export type EnvPair = readonly [name: string, value: string];

const namePattern = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** Names and values in their order. */
export function parseEnvVars(words: readonly string[], style = deployWords): Result<readonly EnvPair[]> {
  const pairs: EnvPair[] = [];
  for (const [index, word] of words.entries()) {
    const split = word.indexOf('=');
    const name = word.slice(0, split);
    if (split < 0) return refused(style, index, 'has no "="');
    // The text before "=" is not shown: of "-e 123:ABC==" it would be a part of the token.
    if (!namePattern.test(name))
      return refused(
        style,
        index,
        'has an invalid name: use Latin letters, digits and "_", and do not begin with a digit',
      );
    pairs.push([name, word.slice(split + 1)]);
  }
  return ok(pairs);
}

/** How a command calls its words, and one that it takes. */
export interface WordStyle {
  readonly word: string;
  readonly hint: string;
}

const deployWords: WordStyle = { word: '-e', hint: 'Write -e NAME=VALUE, for example -e BOT_TOKEN=123:ABC.' };

function refused({ word, hint }: WordStyle, index: number, fault: string) {
  return fail(problem('INVALID_ENV_VARS', `${word} number ${index + 1} ${fault}.`, { hint }));
}
