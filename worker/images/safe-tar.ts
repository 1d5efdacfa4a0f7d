/**
 * Reads a tar that came from a user, entry by entry, and lets through only plain files and folders with safe relative
 * names, within bounds. Nothing is written to disk here. Refuses with ProblemError: INVALID_ARCHIVE (damaged, or holds a
 * link, device, pipe), INVALID_FILE_PATH, ARCHIVE_TOO_LARGE.
 */
import type { Readable } from 'node:stream';
import { extract } from 'tar-stream';
import { ProblemError, problem, refuse, unwrap } from '#common/problem.ts';
import { createFileTree } from '#common/safe-path.ts';

export interface TarLimits {
  /** Sum of the sizes of all files. */
  readonly totalBytes: number;
  readonly entries: number;
}

export const defaultTarLimits: TarLimits = { totalBytes: 200 * 1024 * 1024, entries: 10_000 };

export interface SafeEntry {
  /** Checked relative path without a trailing slash. */
  readonly name: string;
  readonly kind: 'file' | 'folder';
  readonly sizeBytes: number;
  /** Whether its owner may execute the file. */
  readonly executable: boolean;
  /** The content; what is not read is skipped when the next entry is asked for. */
  readonly content: AsyncIterable<Uint8Array>;
}

/** The entries in the order of the tar. Ends the source when done, refused or left early. */
export async function* readSafeTar(
  source: Readable,
  limits: TarLimits = defaultTarLimits,
): AsyncGenerator<SafeEntry, void, undefined> {
  const tar = extract();
  source.on('error', (error) => tar.destroy(error));
  source.pipe(tar);
  const tree = createFileTree();
  let entries = 0;
  let totalBytes = 0;
  try {
    for await (const entry of tar) {
      const { header } = entry;
      entries += 1;
      if (entries > limits.entries) refuse('ARCHIVE_TOO_LARGE', `The archive has more than ${limits.entries} entries.`);
      totalBytes += header.size ?? 0;
      if (totalBytes > limits.totalBytes) {
        refuse('ARCHIVE_TOO_LARGE', `The files in the archive are larger than ${limits.totalBytes} bytes together.`);
      }
      const kind = kindOf(header.type);
      // "tar c ." names the folder itself "./" and puts "./" before each name.
      const name = header.name.replace(/^(?:\.\/)+/, '').replace(/\/$/, kind === 'folder' ? '' : '/');
      if (kind === 'folder' && (name === '' || name === '.')) {
        entry.resume();
        continue;
      }
      yield {
        name: unwrap(kind === 'file' ? tree.addFile(name) : tree.addFolder(name)),
        kind,
        sizeBytes: kind === 'file' ? (header.size ?? 0) : 0,
        executable: ((header.mode ?? 0) & 0o100) !== 0,
        content: contentOf(entry, source),
      };
      // Skips what the caller left unread; does nothing for an entry that was read.
      entry.resume();
    }
  } catch (error) {
    throw told(error, source);
  } finally {
    source.unpipe(tar);
    source.destroy();
    tar.destroy();
  }
}

async function* contentOf(
  entry: AsyncIterable<unknown>,
  source: Readable,
): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    // tar-stream's type leaves the chunks open; it passes on the buffers that the source gave.
    for await (const chunk of entry) yield chunk as Uint8Array;
  } catch (error) {
    throw told(error, source);
  }
}

/** What the tar reader threw, as a refusal; a failure to read the source stays what it is. */
function told(error: unknown, source: Readable): unknown {
  if (error instanceof ProblemError || source.errored) return error;
  return new ProblemError(problem('INVALID_ARCHIVE', 'The archive is damaged or not a tar file.'), { cause: error });
}

function kindOf(type: string | null | undefined): 'file' | 'folder' {
  if (type === 'file') return 'file';
  if (type === 'directory') return 'folder';
  return refuse(
    'INVALID_ARCHIVE',
    `The archive holds an entry that is neither a file nor a folder: ${type ?? 'unknown'}.`,
    {
      hint: 'Leave out links, devices and pipes; put the files themselves in.',
    },
  );
}

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
