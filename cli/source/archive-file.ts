/** `--custom FILE` of a tar: it is uploaded as it is. */
import { createReadStream } from 'node:fs';
import { complain } from '../failures/errors.ts';
import { exitCodes } from '../failures/exit-codes.ts';
import { fileFault } from '../text/file-fault.ts';
import { sourceMaxBytes } from '../text/file-limits.ts';
import { sizeText } from '../text/size.ts';
import { chunkBytes, inChunks } from './pack.ts';
import type { ReadySource } from './source.ts';

const isArchiveName = (name: string): boolean => /\.(tar|tar\.gz|tgz)$/i.test(name);

/** `name` as the user wrote it. Throws CliError if it is not an archive or too large. */
export function prepareArchiveFile(name: string, diskPath: string, sizeBytes: number): ReadySource {
  if (!isArchiveName(name)) {
    throw complain(
      exitCodes.failed,
      'INVALID_ARCHIVE',
      `${name} is neither a folder nor a .tar, .tar.gz or .tgz file.`,
      'Give a folder with a Dockerfile, or such a file; for plain code use --simple.',
    );
  }
  if (sizeBytes > sourceMaxBytes) {
    throw complain(
      exitCodes.failed,
      'ARCHIVE_TOO_LARGE',
      `${name} has ${Math.ceil(sizeBytes / 1e6)} MB; at most ${sourceMaxBytes / 1e6} MB are allowed.`,
      'Leave out what the bot does not need.',
    );
  }
  return {
    notes: [],
    upload: { what: `${name} (${sizeText(sizeBytes)})`, paths: [], read: (signal) => read(name, diskPath, signal) },
    spec: (artifactSha256) => ({ case: 'custom', value: { from: { case: 'artifactSha256', value: artifactSha256 } } }),
  };
}

async function* read(name: string, diskPath: string, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  try {
    yield* inChunks(createReadStream(diskPath, { signal, highWaterMark: chunkBytes }));
  } catch (error) {
    signal.throwIfAborted();
    throw fileFault(name, error);
  }
}
