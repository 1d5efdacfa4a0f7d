/**
 * One tar of a bot's files, as a stream: the same files give the same bytes on every machine, so that nothing is built or
 * stored twice. Times, owners and permissions beyond "executable" are left out for that.
 */
import { constants, type FileHandle, open } from 'node:fs/promises';
import { finished } from 'node:stream/promises';
import tar from 'tar-stream';
import { complain } from '../errors.ts';
import { exitCodes } from '../exit-codes.ts';
import type { SourceFile } from './collect.ts';
import { fileFault } from './file-fault.ts';

/** Messages of an upload; ArtifactService takes up to 1 MiB. */
export const chunkBytes = 256 * 1024;

/**
 * The archive in chunks of `chunkBytes`, the last one shorter. Holds one file in memory at a time at most. Throws CliError
 * for a file that cannot be read or that changed its size since it was collected.
 */
export async function* packSource(files: readonly SourceFile[], signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const archive = tar.pack();
  // Awaited below; until then a failure is reported by the archive stream, which it destroys.
  const filling = fill(archive, files, signal).catch((error: unknown) => {
    archive.destroy(error instanceof Error ? error : new Error(String(error)));
    throw error;
  });
  filling.catch(() => {
    // Thrown again by the await below.
  });
  let waiting: Uint8Array[] = [];
  let waitingBytes = 0;
  try {
    // A stream of bytes yields nothing else; its type does not say so.
    for await (const piece of archive as AsyncIterable<Buffer>) {
      waiting.push(piece);
      waitingBytes += piece.byteLength;
      if (waitingBytes < chunkBytes) continue;
      const all = Buffer.concat(waiting);
      let start = 0;
      for (; all.byteLength - start >= chunkBytes; start += chunkBytes) yield all.subarray(start, start + chunkBytes);
      waiting = [all.subarray(start)];
      waitingBytes = all.byteLength - start;
    }
    await filling;
  } catch (error) {
    // The archive stream wraps what destroyed it; the reason itself is what people should read.
    await filling;
    throw error;
  } finally {
    archive.destroy();
  }
  if (waitingBytes > 0) yield Buffer.concat(waiting);
}

async function fill(archive: tar.Pack, files: readonly SourceFile[], signal: AbortSignal): Promise<void> {
  for (const file of files) {
    signal.throwIfAborted();
    const content = await readWhole(file, signal);
    const entry = archive.entry({
      name: file.path,
      type: 'file',
      size: content.byteLength,
      mode: file.executable ? 0o755 : 0o644,
      mtime: new Date(0),
      uid: 0,
      gid: 0,
      uname: '',
      gname: '',
    });
    const done = finished(entry);
    entry.end(content);
    await done;
  }
  archive.finalize();
}

async function readWhole(file: SourceFile, signal: AbortSignal): Promise<Buffer> {
  let handle: FileHandle | undefined;
  try {
    // O_NONBLOCK: should a pipe have taken the file's place since, opening it must not wait for a writer.
    handle = await open(file.diskPath, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
    const content = await handle.readFile({ signal });
    if (content.byteLength === file.sizeBytes) return content;
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    throw fileFault(file.path, error);
  } finally {
    await handle?.close();
  }
  throw complain(exitCodes.failed, 'UNREADABLE_FILE', `${file.path} changed while it was read.`, 'Try again.');
}
