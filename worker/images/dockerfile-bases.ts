/**
 * Keeps a user's Dockerfile from building on the images of other bots: the engine takes any image that it has by its name, and
 * names of bots' images can be guessed. So every image that is named must be readable without running the Dockerfile: what
 * the engine puts together out of variables and quotes is refused. Pure.
 */
import { fail, ok, problem, type Result } from '#common/problem.ts';

const builtImage = /bot_image_/i;
const plainWord = /^[A-Za-z0-9._:/@-]+$/;
const wordWithVariables = /^(?:[A-Za-z0-9._:/@-]|\$\w+|\$\{\w+\})+$/;

/** Nothing, or BUILD_FAILED for a Dockerfile that names an image in a way that is not allowed. */
export function checkBases(dockerfile: string): Result<undefined> {
  const lines = logicalLines(dockerfile);
  for (const line of lines) {
    const from = /^\s*(?:ONBUILD\s+)?FROM\s+(?:--\S+\s+)*(\S+)/i.exec(line)?.[1];
    if (from !== undefined && !isReadable(from, lines)) return refused('FROM');
    if (!/^\s*(?:ONBUILD\s+)?COPY\s/i.test(line)) continue;
    for (const [, value = ''] of line.matchAll(/--from=(\S*)/gi)) {
      if (!plainWord.test(value) || builtImage.test(value)) return refused('COPY --from');
    }
  }
  return ok(undefined);
}

/** The images that a Dockerfile names, those of a checked one: as written, or the value of the one ARG they are named by. */
export function basesOf(dockerfile: string): readonly string[] {
  const lines = logicalLines(dockerfile);
  const stages = new Set<string>(['scratch']);
  const bases = new Set<string>();
  const note = (word: string): void => {
    const [, variable] = /^\$\{?(\w+)\}?$/.exec(word) ?? [];
    const name = variable === undefined ? word : (lines.flatMap((line) => defaultsIn(line, variable))[0] ?? '');
    // A stage may be told by its number too; a name with a variable for its tag is the engine's to put together.
    if (plainWord.test(name) && !/^\d+$/.test(name) && !stages.has(name.toLowerCase())) bases.add(name);
  };
  for (const line of lines) {
    const [, from, stage] = /^\s*FROM\s+(?:--\S+\s+)*(\S+)(?:\s+AS\s+(\S+))?/i.exec(line) ?? [];
    if (from !== undefined) note(from);
    if (stage !== undefined) stages.add(stage.toLowerCase());
    if (!/^\s*COPY\s/i.test(line)) continue;
    for (const [, value = ''] of line.matchAll(/--from=(\S*)/gi)) note(value);
  }
  return [...bases];
}

/** Comments and empty lines out, then continued lines joined, as the engine does it; for either escape character. */
function logicalLines(dockerfile: string): readonly string[] {
  const lines = dockerfile.split(/\r\n|\n|\r/).filter((line) => line.trim() !== '' && !/^\s*#/.test(line));
  return lines
    .join('\n')
    .replace(/[\\`][ \t]*\n/g, '')
    .split('\n');
}

/** Whether the name of the repository, the last part before tag or digest, is told by the text and is not of a bot. */
function isReadable(word: string, lines: readonly string[]): boolean {
  if (builtImage.test(word) || !wordWithVariables.test(word)) return false;
  if (plainWord.test(word)) return true;
  const [, variable] = /^\$\{?(\w+)\}?$/.exec(word) ?? [];
  if (variable === undefined) {
    const repository = word.slice(word.lastIndexOf('/') + 1).split(/[:@]/)[0] ?? '';
    return repository !== '' && plainWord.test(repository);
  }
  const values = lines.flatMap((line) => defaultsIn(line, variable));
  const [value = ''] = values;
  return values.length === 1 && plainWord.test(value) && !builtImage.test(value);
}

/** Values that ARG and ENV of that name have in one line; an odd one reads as "". */
function defaultsIn(line: string, variable: string): readonly string[] {
  const [, names = ''] = /^\s*ARG\s+(.*)$/i.exec(line) ?? [];
  return names.split(/\s+/).flatMap((part) => {
    const equals = part.indexOf('=');
    if (equals === -1 || part.slice(0, equals) !== variable) return [];
    return [part.slice(equals + 1).replace(/^(["'])(.*)\1$/, '$2')];
  });
}

const refused = (what: string) =>
  fail(
    problem('BUILD_FAILED', `The Dockerfile names an image that it may not build on, or not readably (${what}).`, {
      hint: 'Write the image out, for example FROM python:3.11-slim; a variable may stand for the tag, or be one ARG with a plain value.',
    }),
  );
