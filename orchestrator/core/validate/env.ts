/** Environment variables of a bot: names, values, totals. Pure. Never repeats a value in a message. */
import { fail, ok, problem, type Result } from '#common/problem.ts';
import { examples } from './examples.ts';

const namePattern = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/;
const reservedPrefix = 'BOTRUNNER_';
const maxValueBytes = 32 * 1024;
const maxTotalBytes = 256 * 1024;
const maxCount = 200;

const refusal = (message: string, name: string | undefined, hint: string) =>
  fail(
    problem('INVALID_ENV_VARS', message, {
      details: { field: 'env_vars', ...(name === undefined ? {} : { name: name.slice(0, 128) }) },
      hint,
      example: examples.start,
    }),
  );

/** Checks names and values. `entries` may hold anything as value. */
export function parseEnv(entries: Iterable<readonly [string, unknown]>): Result<ReadonlyMap<string, string>> {
  const env = new Map<string, string>();
  let totalBytes = 0;
  for (const [name, value] of entries) {
    // "__proto__" fits the pattern but is not a safe key of a JavaScript object, which protobuf maps become.
    if (!namePattern.test(name) || name === '__proto__') {
      return refusal(
        `The environment variable name ${JSON.stringify(name.slice(0, 64))} is not valid.`,
        name,
        'Names start with a letter or "_", followed by letters, digits and "_", at most 128 characters.',
      );
    }
    if (name.startsWith(reservedPrefix)) {
      return refusal(`${name} is reserved.`, name, `Choose a name that does not start with ${reservedPrefix}.`);
    }
    if (typeof value !== 'string') {
      return refusal(`The value of ${name} is not text.`, name, 'Put numbers, true and false in quotes.');
    }
    if (value.includes('\0')) {
      return refusal(`The value of ${name} contains a NUL character.`, name, 'Remove the NUL character.');
    }
    const bytes = Buffer.byteLength(value);
    if (bytes > maxValueBytes) {
      return refusal(
        `The value of ${name} has ${bytes} bytes; at most ${maxValueBytes} are allowed.`,
        name,
        "Put large data into one of the bot's files.",
      );
    }
    totalBytes += name.length + bytes;
    env.set(name, value);
  }
  if (env.size > maxCount || totalBytes > maxTotalBytes) {
    return refusal(
      `There are ${env.size} environment variables with ${totalBytes} bytes; at most ${maxCount} and ${maxTotalBytes} bytes are allowed.`,
      undefined,
      "Put large data into one of the bot's files.",
    );
  }
  return ok(env);
}
