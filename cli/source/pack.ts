/**
 * One tar of a bot's files, as a stream: the same files give the same tar on every machine, so that nothing is built or
 * stored twice. Times, owners and permissions beyond "executable" are left out for that.
 */
import { constants, type FileHandle, open } from 'node:fs/promises';
import { type Duplex, pipeline, type Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import tar from 'tar-stream';
import { CliError, complain } from '../failures/errors.ts';
import { exitCodes } from '../failures/exit-codes.ts';
import { fileFault } from '../text/file-fault.ts';
import { sourceMaxBytes } from '../text/file-limits.ts';

/** Paths are where things will be in the bot's folder, with "/" between segments. */
export type PackEntry =
  /** A file on disk. */
  | {
      readonly kind: 'file';
      readonly path: string;
      readonly diskPath: string;
      readonly sizeBytes: number;
      readonly executable: boolean;
    }
  /** A file that exists nowhere yet. */
  | { readonly kind: 'text'; readonly path: string; readonly content: string }
  | { readonly kind: 'link'; readonly path: string; readonly target: string }
  | { readonly kind: 'folder'; readonly path: string };

/** Messages of an upload; ArtifactService takes up to 1 MiB. */
export const chunkBytes = 256 * 1024;

export interface PackOptions {
  /** Compresses; for sources that may be large. */
  readonly gzip: boolean;
  /**
   * Gets the path of a file that went away or became unreadable since it was collected, and why; it is ignored unless this
   * throws. Without it that ends the archive.
   */
  readonly onUnreadable?: (path: string, fault: CliError) => void;
}

/**
 * The archive in chunks of `chunkBytes`, the last one shorter. Holds one file in memory at a time at most. A file goes in as it
 * is when its turn comes: one that grew or shrank meanwhile, such as a log, is fine. Throws CliError for what cannot be read
 * (see PackOptions) and for more bytes than a source may have.
 */
export async function* packEntries(
  entries: readonly PackEntry[],
  { gzip, onUnreadable }: PackOptions,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const archive = tar.pack();
  // Awaited below; until then a failure is reported by the archive stream, which it destroys.
  const filling = fill(archive, entries, signal, onUnreadable).catch((error: unknown) => {
    archive.destroy(error instanceof Error ? error : new Error(String(error)));
    throw error;
  });
  filling.catch(() => {
    // Thrown again by the await below.
  });
  const output = gzip ? compress(archive) : archive;
  try {
    // A stream of bytes yields nothing else; its type does not say so.
    yield* inChunks(output as AsyncIterable<Buffer>);
    await filling;
  } catch (error) {
    // The archive stream wraps what destroyed it; the reason itself is what people should read.
    await filling;
    throw error;
  } finally {
    archive.destroy();
    output.destroy();
  }
}

/** tar-stream's Pack is a readable stream of streamx, which pipeline takes; only its type is not Node's. */
const compress = (archive: tar.Pack): Duplex =>
  pipeline(archive as unknown as Readable, createGzip(), () => {
    // A failure destroys both ends, and is thrown where the output is read.
  });

/** The same bytes in pieces of `chunkBytes`, the last one shorter. */
export async function* inChunks(pieces: AsyncIterable<Buffer>): AsyncGenerator<Uint8Array> {
  let waiting: Uint8Array[] = [];
  let waitingBytes = 0;
  for await (const piece of pieces) {
    waiting.push(piece);
    waitingBytes += piece.byteLength;
    if (waitingBytes < chunkBytes) continue;
    const all = Buffer.concat(waiting);
    let start = 0;
    for (; all.byteLength - start >= chunkBytes; start += chunkBytes) yield all.subarray(start, start + chunkBytes);
    waiting = [all.subarray(start)];
    waitingBytes = all.byteLength - start;
  }
  if (waitingBytes > 0) yield Buffer.concat(waiting);
}

const anonymous = { mtime: new Date(0), uid: 0, gid: 0, uname: '', gname: '' };

async function fill(
  archive: tar.Pack,
  entries: readonly PackEntry[],
  signal: AbortSignal,
  onUnreadable: PackOptions['onUnreadable'],
): Promise<void> {
  let leftBytes = sourceMaxBytes;
  for (const entry of entries) {
    signal.throwIfAborted();
    switch (entry.kind) {
      case 'file': {
        const content = await readWhole(entry, leftBytes, signal);
        if (content instanceof CliError) {
          if (onUnreadable === undefined) throw content;
          onUnreadable(entry.path, content);
        } else {
          leftBytes -= content.byteLength;
          await addFile(archive, entry.path, entry.executable, content);
        }
        break;
      }
      case 'text':
        await addFile(archive, entry.path, false, Buffer.from(entry.content));
        break;
      case 'link':
        archive.entry({ name: entry.path, type: 'symlink', linkname: entry.target, mode: 0o777, ...anonymous });
        break;
      case 'folder':
        archive.entry({ name: entry.path, type: 'directory', mode: 0o755, ...anonymous });
        break;
    }
  }
  archive.finalize();
}

async function addFile(archive: tar.Pack, name: string, executable: boolean, content: Buffer): Promise<void> {
  const mode = executable ? 0o755 : 0o644;
  const entry = archive.entry({ name, type: 'file', size: content.byteLength, mode, ...anonymous });
  const done = finished(entry);
  entry.end(content);
  await done;
}

type FileOnDisk = Extract<PackEntry, { kind: 'file' }>;

/** What the file holds now, or why it cannot be read. Throws CliError when that is more than `bytesMax`. */
async function readWhole(file: FileOnDisk, bytesMax: number, signal: AbortSignal): Promise<Buffer | CliError> {
  let handle: FileHandle | undefined;
  try {
    // O_NONBLOCK: should a pipe have taken the file's place since, opening it must not wait for a writer.
    handle = await open(file.diskPath, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
    if (!(await handle.stat()).isFile()) return unreadable(`${file.path} is no longer a plain file.`);
    const pieces: Buffer[] = [];
    let bytes = 0;
    // One byte more shows that there is more; a writer that outpaces this reader cannot keep it busy forever.
    const stream = handle.createReadStream({ signal, end: bytesMax, highWaterMark: chunkBytes });
    for await (const piece of stream as AsyncIterable<Buffer>) {
      pieces.push(piece);
      bytes += piece.byteLength;
    }
    if (bytes <= bytesMax) return Buffer.concat(pieces);
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    return fileFault(file.path, error);
  } finally {
    await handle?.close();
  }
  throw complain(
    exitCodes.failed,
    'INVALID_FILES',
    `With ${file.path} the files of the bot exceed ${sourceMaxBytes / 1e6} MB.`,
    'Leave it out, or stop whatever writes to it.',
  );
}

const unreadable = (message: string): CliError => complain(exitCodes.failed, 'UNREADABLE_FILE', message, 'Try again.');
