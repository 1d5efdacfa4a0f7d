/**
 * Reads a tar, or a gzipped tar, that came from a user, entry by entry, and lets through only what is safe to pack again:
 * plain files and folders with safe relative names, within bounds, and for a build context also links that stay inside.
 * Nothing is written to disk here. Refuses with ProblemError: INVALID_ARCHIVE (damaged, a name that is not plain, a hard link,
 * a device, a pipe, a link that leads out), ARCHIVE_TOO_LARGE. Owners, times and all modes but "executable" are left out.
 */
import type { Readable } from 'node:stream';
import { type ByteReader, createByteReader } from './byte-reader.ts';
import { defaultInflateLimits, gunzip, gzipMagic, type InflateLimits } from './gunzip.ts';
import { ProblemError, problem, type Result, refuse } from './problem.ts';
import { brokenPathRule, createFileTree, type PathRule, pathRuleSentences, shownName } from './safe-path.ts';
import { readTar, type TarEntry } from './tar-reader.ts';

export interface TarLimits {
  /** Sum of the sizes of all files. */
  readonly totalBytes: number;
  readonly entries: number;
  /** For a gzipped tar; the default unless given. */
  readonly inflate?: InflateLimits;
}

export const defaultTarLimits: TarLimits = { totalBytes: 200 * 1024 * 1024, entries: 10_000 };

export interface SafeEntry {
  /** Checked relative path without a trailing slash. */
  readonly name: string;
  readonly kind: 'file' | 'folder';
  readonly sizeBytes: number;
  /** Whether its owner may execute the file. */
  readonly executable: boolean;
  /** The content; what is not read is skipped when the next entry is requested. */
  readonly content: AsyncIterable<Uint8Array>;
}

/** A symbolic link that leads to a place within the same tree, wherever that is unpacked. */
export interface LinkEntry {
  readonly name: string;
  readonly kind: 'link';
  /** Relative to the folder of the link: any number of "..", then plain names. */
  readonly target: string;
}

export type ContextEntry = SafeEntry | LinkEntry;

/** The files and folders of a bot in simple mode, in the order of the tar. Ends the source when done, refused or left. */
export async function* readSafeTar(
  source: Readable,
  limits: TarLimits = defaultTarLimits,
): AsyncGenerator<SafeEntry, void, undefined> {
  for await (const entry of readContextTar(source, limits)) {
    if (entry.kind === 'link') refuseType('symbolic link', 'Include the files themselves instead of links to them.');
    else yield entry;
  }
}

/** Gets the name of an entry that is left out, as it may stand in a message, and why: "is a hard link". */
export type OnLeftOut = (name: string, why: string) => void;

/**
 * The same for a build context: symbolic links that stay inside are let through too. With `onLeftOut` what packers take from
 * people's folders does not refuse the archive: hard links, pipes, and names with a control character, a dash at the beginning
 * or a dot or space at the end. They are left out, and nothing of them is let through. Devices, links that lead out, and names
 * that climb, are absolute or have a backslash are refused anyway.
 */
export async function* readContextTar(
  source: Readable,
  limits: TarLimits = defaultTarLimits,
  onLeftOut?: OnLeftOut,
): AsyncGenerator<ContextEntry, void, undefined> {
  const bytes = createByteReader(source);
  let tar = bytes;
  const tree = createFileTree('archive');
  let entries = 0;
  let totalBytes = 0;
  try {
    tar = await unpacked(bytes, limits);
    for await (const entry of readTar(tar)) {
      entries += 1;
      if (entries > limits.entries) refuse('ARCHIVE_TOO_LARGE', `The archive has more than ${limits.entries} entries.`);
      totalBytes += entry.sizeBytes;
      if (totalBytes > limits.totalBytes) {
        refuse('ARCHIVE_TOO_LARGE', `The files in the archive exceed ${limits.totalBytes} bytes in total.`);
      }
      const name = plainName(entry);
      const odd = onLeftOut === undefined ? undefined : oddity(entry, name);
      if (odd !== undefined) {
        onLeftOut?.(shownName(name), odd);
        continue;
      }
      switch (entry.type) {
        case 'folder':
          // "tar c ." names the folder itself "./".
          if (name === '' || name === '.') continue;
          yield { ...contentOf(entry), name: accepted(tree.addFolder(name)), kind: 'folder' };
          break;
        case 'file':
          yield { ...contentOf(entry), name: accepted(tree.addFile(name)), kind: 'file' };
          break;
        case 'symbolic link':
          // Counts as a file in the tree: nothing may lie behind it or come in its place.
          yield { name: accepted(tree.addFile(name)), kind: 'link', target: safeTarget(name, entry.linkName) };
          break;
        default:
          refuseType(entry.type, 'Include plain files only, without hard links, devices, pipes and sparse files.');
      }
    }
  } finally {
    // First, so that nothing waits for more of it.
    source.destroy();
    await tar.close();
    await bytes.close();
  }
}

/** Why an entry may be left out, if it has to be. */
function oddity({ type }: TarEntry, name: string): string | undefined {
  if (type === 'hard link' || type === 'pipe') return `is a ${type}`;
  const rule = brokenPathRule(name);
  return rule !== undefined && harmlessRules.has(rule) ? pathRuleSentences[rule] : undefined;
}

/** Names that people's folders have; the other rules say that somebody tries something. */
const harmlessRules: ReadonlySet<PathRule> = new Set([
  'control_character',
  'not_text',
  'leading_dash',
  'segment_end',
  // "a:b.txt" is one here; nobody unpacks it where it would be a drive.
  'drive_letter',
]);

const contentOf = ({ sizeBytes, mode, content }: TarEntry) => ({
  sizeBytes,
  executable: (mode & 0o100) !== 0,
  content,
});

/** "tar c ." puts "./" before each name, and tar ends the names of folders with "/". */
function plainName({ name, type }: TarEntry): string {
  const bare = name.replace(/^(?:\.\/)+/, '');
  return type === 'folder' ? bare.replace(/\/$/, '') : bare;
}

/** The checked name; what is wrong with it is reported as a fault of the archive. */
function accepted(result: Result<string>): string {
  if (result.ok) return result.value;
  const { message, details } = result.problem;
  throw new ProblemError(
    problem('INVALID_ARCHIVE', `In the archive: ${message}`, {
      details,
      hint: 'Pack the folder itself, with relative names: tar -czf bot.tar.gz -C FOLDER .',
    }),
  );
}

function refuseType(type: string, hint: string): never {
  return refuse('INVALID_ARCHIVE', `The archive contains an entry that is not allowed: ${type}.`, { hint });
}

/**
 * The target of a link at `name`, if it leads to a place inside wherever it is followed. ".." may only stand in front: behind
 * the name of a folder it could go up from where another link leads. No link lies behind a link (see the tree), so that the
 * folders in front are real ones and can be counted.
 */
function safeTarget(name: string, given: string): string {
  const folders = name.split('/').slice(0, -1);
  const target = given.replace(/(?<=[^/])\/$/, '');
  const ups = /^(?:\.\.(?:\/|$))*/.exec(target)?.[0] ?? '';
  const steps = ups.split('..').length - 1;
  const rest = target.slice(ups.length).replace(/^(?:\.\/)+/, '');
  const isPlain = rest === '' || rest === '.' || brokenPathRule(rest) === undefined;
  const leadsTo = [...folders.slice(0, folders.length - steps), ...(rest === '' || rest === '.' ? [] : [rest])].join(
    '/',
  );
  if (target === '' || !isPlain || steps > folders.length || leadsTo === name) {
    refuse('INVALID_ARCHIVE', `The archive contains a link that leads out of it, or nowhere: ${shownName(name)}.`, {
      details: { field: 'archive', rule: 'link' },
      hint: 'Only relative links to files in the same archive are allowed; otherwise include the files themselves.',
    });
  }
  return target;
}

/** The tar itself, inflated if it is gzipped. */
async function unpacked(bytes: ByteReader, limits: TarLimits): Promise<ByteReader> {
  const head = await bytes.take(6);
  bytes.putBack(head);
  if (gzipMagic.every((value, at) => head[at] === value)) {
    return createByteReader(gunzip(bytes, limits.inflate ?? defaultInflateLimits));
  }
  const text = head.toString('latin1');
  const other = otherFormats.find(([, magic]) => magic.test(text));
  if (other !== undefined) {
    refuse('INVALID_ARCHIVE', `The archive has the format ${other[0]}.`, {
      hint: 'Only tar and tar.gz are supported: tar -czf bot.tar.gz -C FOLDER .',
    });
  }
  return bytes;
}

// Longer than the usual magic where a plain tar could begin with it: there the name of the first file stands.
const otherFormats: readonly (readonly [string, RegExp])[] = [
  ['zip', /^PK\x03\x04/],
  ['xz', /^\xfd7zXZ/],
  ['bzip2', /^BZh[1-9]1A/],
  ['zstd', /^\x28\xb5\x2f\xfd/],
  ['7z', /^7z\xbc\xaf/],
];

/** Names and sizes of all files; reads the whole tar. */
export async function listSafeTar(
  source: Readable,
  limits: TarLimits = defaultTarLimits,
): Promise<ReadonlyMap<string, number>> {
  const files = new Map<string, number>();
  for await (const entry of readSafeTar(source, limits)) {
    if (entry.kind === 'file') files.set(entry.name, entry.sizeBytes);
  }
  return files;
}
