/**
 * The sources of an ADD: files of the source, files that the worker fetches, and what nobody does. A builder would fetch by itself,
 * from its own network, where neither the fetch policy nor a check of the address reaches; so no source that it could take for
 * a URL gets there. Pure.
 */
import { fail, ok, type Problem, problem, type Result } from '#common/problem.ts';
import { copyWords } from './copy-words.ts';
import type { Instruction, Option } from './instruction.ts';
import { expandWord, type Variables } from './variables.ts';

/** A file that the worker fetches for an ADD. */
export interface AddedFile {
  readonly line: number;
  readonly url: string;
  /** In hexadecimal, if the Dockerfile says it. */
  readonly sha256: string | undefined;
  /** Permission bits. */
  readonly mode: number;
  /** What it is called in the image that it is copied from, in a folder named by its number. */
  readonly name: string;
}

/** One source after another, in their order; each its own instruction where some are fetched. */
export type Added =
  | { readonly kind: 'local'; readonly sources: readonly string[] }
  | { readonly kind: 'fetched'; readonly file: AddedFile };

export interface ReadAdd {
  readonly parts: readonly Added[];
  readonly destination: string;
}

/** Whether a source is a URL or a repository as it is written. */
function isRemote(source: string): boolean {
  const text = bare(source);
  return /^https?:\/\//i.test(text) || isRepository(text);
}

const bare = (source: string): string => source.replaceAll(/["'\\`]/g, '');

/** https://docs.docker.com/reference/dockerfile/#adding-files-from-a-git-repository, and what git itself takes for SSH. */
const isRepository = (text: string): boolean =>
  /^(?:git|ssh|git\+\w+):\/\//i.test(text) ||
  /^[\w.-]+@[\w.-]+:/.test(text) ||
  /^https?:\/\/[^?#]+\.git(?:[?#].*)?$/i.test(text);

/** What a source that is not of the upload begins with. One by SSH needs a key, which no build has. */
const beginnings = ['http://', 'https://', 'git://', 'ssh://', 'git+'];

/** Whether a builder may take it for one: a variable may hold any part of "http://". */
export function mayBeRemote(source: string, escapeChar: string): boolean {
  if (isRemote(source)) return true;
  const [literal = ''] = bare(source.replaceAll(escapeChar, '')).toLowerCase().split('$');
  return source.includes('$') && beginnings.some((beginning) => beginning.startsWith(literal));
}

/** A text of which every engine makes the same: no quotes, escapes and variables. */
const literalSource = /^[A-Za-z0-9._/*?+~%=,-]+$/;

/** `variables`: what is known to have that value in this place. */
export function readAdd(instruction: Instruction, variables: Variables, escapeChar: string): Result<ReadAdd> {
  const { line, options } = instruction;
  const words = copyWords(instruction);
  const destination = words.at(-1) ?? '';
  const parts: Added[] = [];
  for (const word of words.slice(0, -1)) {
    const source = settled(word, variables, escapeChar);
    if (source === undefined) return fail(openSource(line));
    if (isRepository(bare(source))) return fail(noRepository(line));
    if (!isRemote(source)) {
      const last = parts.at(-1);
      if (last?.kind === 'local') parts[parts.length - 1] = { kind: 'local', sources: [...last.sources, source] };
      else parts.push({ kind: 'local', sources: [source] });
      continue;
    }
    const file = readFile(line, source, options, destination.endsWith('/'));
    if (!file.ok) return file;
    parts.push({ kind: 'fetched', file: file.value });
  }
  const isMixed = parts.some(({ kind }) => kind === 'local') && parts.some(({ kind }) => kind === 'fetched');
  if (isMixed && options.some(({ name }) => name === 'chmod' || name === 'checksum')) return fail(mixed(line));
  return ok({ parts, destination });
}

/** The source with its variables put in, if it could be remote otherwise; undefined where they are not known. */
function settled(word: string, variables: Variables, escapeChar: string): string | undefined {
  if (!word.includes('$')) return isRemote(word) ? expandWord(word, variables, escapeChar)?.value : word;
  if (!mayBeRemote(word, escapeChar)) return word;
  const expanded = expandWord(word, variables, escapeChar);
  if (expanded === undefined || expanded.unset.length > 0) return undefined;
  const { value } = expanded;
  return isRemote(value) || literalSource.test(value) ? value : undefined;
}

const fetchedMode = 0o600;

function readFile(line: number, url: string, options: readonly Option[], toFolder: boolean): Result<AddedFile> {
  const optionOf = (name: string) => options.findLast((option) => option.name === name)?.value;
  const checksum = optionOf('checksum');
  const sha256 = checksum === undefined ? undefined : /^sha256:([0-9a-f]{64})$/.exec(checksum)?.[1];
  if (checksum !== undefined && sha256 === undefined) return fail(oddChecksum(line));
  const chmod = optionOf('chmod');
  if (chmod !== undefined && !/^[0-7]{3,4}$/.test(chmod)) return fail(oddMode(line));
  const other = options.find(({ name }) => !['chown', 'chmod', 'checksum', 'link'].includes(name));
  if (other !== undefined) return fail(oddOption(line, other.name));
  const name = toFolder ? fileNameOf(url) : 'file';
  if (name === undefined) return fail(nameless(line));
  return ok({ line, url, sha256, mode: chmod === undefined ? fetchedMode : Number.parseInt(chmod, 8), name });
}

/** The last part of the URL's path; undefined where there is none that can be a file's name. */
function fileNameOf(url: string): string | undefined {
  const path = URL.parse(url)?.pathname ?? '';
  try {
    const name = decodeURIComponent(path.slice(path.lastIndexOf('/') + 1));
    return name === '' ||
      name === '.' ||
      name === '..' ||
      /[/\u0000-\u001f\u007f]/.test(name) ||
      Buffer.byteLength(name) > 200
      ? undefined
      : name;
  } catch {
    return undefined;
  }
}

const bad = (message: string, hint: string): Problem => problem('BUILD_FAILED', message, { hint });

const openSource = (line: number) =>
  bad(
    `ADD in line ${line} of the Dockerfile has a source with a variable whose value is only known during the build, so that it could be any URL.`,
    'Give the variable a value in the Dockerfile above, with ARG or ENV, or use COPY for a file of the source.',
  );

const mixed = (line: number) =>
  bad(
    `ADD in line ${line} of the Dockerfile has an option for its URL and for files of the source at once.`,
    'Write an ADD of its own for the URL.',
  );

const noRepository = (line: number) =>
  bad(
    `ADD in line ${line} of the Dockerfile names a git repository.`,
    "Put the repository's files into the source and COPY them, or ADD an archive of it: ADD https://example.com/REPOSITORY.tar.gz /.",
  );

const oddChecksum = (line: number) =>
  bad(
    `ADD --checksum in line ${line} of the Dockerfile is not a SHA-256 in hexadecimal.`,
    'Write --checksum=sha256: and 64 digits, as "sha256sum FILE" prints them.',
  );

const oddMode = (line: number) =>
  bad(`ADD --chmod in line ${line} of the Dockerfile is not a number in octal.`, 'Write for example --chmod=755.');

const oddOption = (line: number, name: string) =>
  bad(
    `ADD of a URL in line ${line} of the Dockerfile has --${name}, which does not apply to it.`,
    'Leave the option out; it may have --chown, --chmod and --checksum.',
  );

const nameless = (line: number) =>
  bad(
    `ADD in line ${line} of the Dockerfile names a URL whose path ends without a file name.`,
    'Write a destination that does not end with "/": it is then the name of the file.',
  );
