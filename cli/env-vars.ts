/** The bot's environment from repeated `-e NAME=VALUE`. Pure. Messages never hold a value, nor a text that may be one. */
import { fail, ok, problem, type Result } from '#common/problem.ts';

const namePattern = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** Names and values; when a name is given twice the last one wins, as in a shell. */
export function parseEnvVars(pairs: readonly string[]): Result<Readonly<Record<string, string>>> {
  const env = new Map<string, string>();
  for (const [index, pair] of pairs.entries()) {
    const split = pair.indexOf('=');
    const name = pair.slice(0, split);
    if (split < 0) return refused(index, 'has no "="');
    // The text before "=" is not shown: of "-e 123:ABC==" it would be a part of the token.
    if (!namePattern.test(name)) return refused(index, 'has a name that is not letters, digits and "_"');
    env.set(name, pair.slice(split + 1));
  }
  return ok(Object.fromEntries(env));
}

function refused(index: number, fault: string) {
  const which = `-e number ${index + 1} ${fault}.`;
  return fail(problem('INVALID_ENV_VARS', which, { hint: 'Write -e NAME=VALUE, for example -e BOT_TOKEN=123:ABC.' }));
}
