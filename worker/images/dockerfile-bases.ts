/**
 * Keeps a user's Dockerfile from building on the images of other bots: the engine takes any image that it has by its name, and
 * names of bots' images can be guessed. So every image that is named must be readable without running the Dockerfile: what
 * the engine puts together out of variables and quotes is refused. Pure.
 */
import { fail, ok, problem, type Result } from '#common/problem.ts';

const builtImage = /bot_image_/i;
const plainWord = /^[A-Za-z0-9._:/@-]+$/;
const variable = /\$(?:\w+|\{\w+\})/g;

/** Nothing, or BUILD_FAILED for a Dockerfile that names an image in a way that is not allowed. */
export function checkBases(dockerfile: string): Result<undefined> {
  const lines = logicalLines(dockerfile);
  const defaults = defaultsOf(lines);
  for (const line of lines) {
    const { from, copiedFrom } = imagesIn(line);
    if (from !== undefined && !isReadable(from, defaults)) return refused('FROM');
    if (copiedFrom.some((value) => !plainWord.test(value) || builtImage.test(value))) return refused('COPY --from');
  }
  return ok(undefined);
}

/** The images that a Dockerfile names, those of a checked one: as written, or the value of the one ARG they are named by. */
export function basesOf(dockerfile: string): readonly string[] {
  const lines = logicalLines(dockerfile);
  const defaults = defaultsOf(lines);
  const stages = new Set<string>(['scratch']);
  const bases = new Set<string>();
  const note = (word: string): void => {
    const name = variableIn(word) === undefined ? word : (defaults.get(variableIn(word) ?? '')?.[0] ?? '');
    // A stage may be told by its number too; a name with a variable for its tag is the engine's to put together.
    if (plainWord.test(name) && !/^\d+$/.test(name) && !stages.has(name.toLowerCase())) bases.add(name);
  };
  for (const line of lines) {
    const { onBuild, from, stage, copiedFrom } = imagesIn(line);
    if (onBuild) continue;
    if (from !== undefined) note(from);
    if (stage !== undefined) stages.add(stage.toLowerCase());
    for (const value of copiedFrom) note(value);
  }
  return [...bases];
}

/** What one line names: FROM [--option ...] IMAGE [AS STAGE], COPY --from=IMAGE ..., either behind ONBUILD too. */
function imagesIn(line: string): {
  readonly onBuild: boolean;
  readonly from: string | undefined;
  readonly stage: string | undefined;
  readonly copiedFrom: readonly string[];
} {
  const words = line.trim().split(/\s+/);
  const onBuild = words[0]?.toUpperCase() === 'ONBUILD';
  const [keyword = '', ...rest] = onBuild ? words.slice(1) : words;
  const isFrom = keyword.toUpperCase() === 'FROM';
  const at = isFrom ? rest.findIndex((word) => !/^--./.test(word)) : -1;
  const hasStage = isFrom && rest[at + 1]?.toUpperCase() === 'AS';
  const isCopy = keyword.toUpperCase() === 'COPY';
  return {
    onBuild,
    // An option without an image behind it is no option to the engine, and no name either.
    from: isFrom ? (rest[at] ?? rest.at(-1)) : undefined,
    stage: hasStage ? rest[at + 2] : undefined,
    copiedFrom: isCopy ? [...line.matchAll(/--from=(\S*)/gi)].map(([, value = '']) => value) : [],
  };
}

/** Comments and empty lines out, then continued lines joined, as the engine does it; for either escape character. */
function logicalLines(dockerfile: string): readonly string[] {
  const lines = dockerfile.split(/\r\n|\n|\r/).filter((line) => line.trim() !== '' && !/^\s*#/.test(line));
  return lines
    .join('\n')
    .replace(/[\\`][ \t]*\n/g, '')
    .split('\n');
}

/** The variable that a word consists of. */
const variableIn = (word: string): string | undefined => /^\$(?:(\w+)|\{(\w+)\})$/.exec(word)?.slice(1).find(Boolean);

/** Whether the name of the repository, the last part before tag or digest, is told by the text and is not of a bot. */
function isReadable(word: string, defaults: ReadonlyMap<string, readonly string[]>): boolean {
  if (builtImage.test(word) || !plainWord.test(word.replace(variable, 'x'))) return false;
  if (plainWord.test(word)) return true;
  const name = variableIn(word);
  if (name === undefined) {
    const repository = word.slice(word.lastIndexOf('/') + 1).split(/[:@]/)[0] ?? '';
    return repository !== '' && plainWord.test(repository);
  }
  const values = defaults.get(name) ?? [];
  const [value = ''] = values;
  return values.length === 1 && plainWord.test(value) && !builtImage.test(value);
}

/** Values that ARG gives to each variable, in order; an odd one reads as "". */
function defaultsOf(lines: readonly string[]): ReadonlyMap<string, readonly string[]> {
  const defaults = new Map<string, string[]>();
  for (const line of lines) {
    const [keyword, ...parts] = line.trim().split(/\s+/);
    if (keyword?.toUpperCase() !== 'ARG') continue;
    for (const part of parts) {
      const equals = part.indexOf('=');
      if (equals === -1) continue;
      const name = part.slice(0, equals);
      const values = defaults.get(name) ?? [];
      values.push(unquoted(part.slice(equals + 1)));
      defaults.set(name, values);
    }
  }
  return defaults;
}

function unquoted(text: string): string {
  const quote = text.charAt(0);
  return text.length > 1 && (quote === '"' || quote === "'") && text.endsWith(quote) ? text.slice(1, -1) : text;
}

const refused = (what: string) =>
  fail(
    problem('BUILD_FAILED', `The Dockerfile names an image that it may not build on, or not readably (${what}).`, {
      hint: 'Write the image out, for example FROM python:3.11-slim; a variable may stand for the tag, or be one ARG with a plain value.',
    }),
  );
